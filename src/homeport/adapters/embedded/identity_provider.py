"""Guests and password accounts in the data file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import apsw

from homeport.adapters.credentials.access_tokens import AccessTokens
from homeport.adapters.credentials.passwords import check_password, hash_password
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.signing_key import EmbeddedSigningKey
from homeport.domain import identity as rules
from homeport.domain.model.data import encode, parse_json
from homeport.domain.model.identity import Identity, Kind, Session, VerifiedToken
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.identity_provider import IdentityPage

_SECOND: Final = 1_000_000

_IDENTITY: Final = "SELECT id, kind, created, login, groups, disabled FROM identities "
_REFRESHED: Final = """
    SELECT token.family, token.expires, token.replaced, token.successor, successor.issued,
        successor.hash IS NULL OR successor.replaced IS NOT NULL,
        identities.id, kind, created, login, groups, disabled
    FROM refresh_tokens AS token JOIN identities ON identities.id = token.identity
    LEFT JOIN refresh_tokens AS successor ON successor.hash = token.successor
    WHERE token.hash = ?"""

# Of a token's family: what may be used, and what is to be forgotten. In one pass, since a busy
# family has thousands.
_FAMILY: Final = """
    SELECT hash, replaced IS NULL FROM refresh_tokens
    WHERE family = ? AND (replaced IS NULL OR replaced < ?) ORDER BY issued"""

_IS_DISABLED: Final = "SELECT disabled FROM identities WHERE id = ?"


def _at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


class EmbeddedIdentityProvider:
    """Passwords are kept as argon2id hashes, refresh tokens as SHA-256, access tokens not at all.

    A refresh token is `replaced` at each use, and so are with it all that the same token
    brought, and the oldest of these once there are too many: those of a family that are not are
    the newest that its last used token brought.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: IdFactory,
        offload: Callable[..., Any] = _at_once,
    ) -> None:
        """`offload(function, *args)` runs the slow hashing where nothing waits beside it."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._offload = offload
        self._access_tokens = AccessTokens(EmbeddedSigningKey(database), clock)

    def guest(self) -> Session:
        guest = Identity(self._ids.identity_id(), Kind.GUEST, self._clock.now())
        token = self._ids.secret()
        insert_token = self._insert_token(token, guest, self._ids.secret())

        def insert(connection: apsw.Connection) -> None:
            _insert_identity(connection, guest, None)
            insert_token(connection)

        self._database.write(insert)
        return self._session(guest, token)

    def sign_up(self, login: str, password: str) -> None:
        login, password = rules.normalize_login(login), rules.normalize_password(password)
        hashed: str = self._offload(hash_password, password)
        user = Identity(self._ids.identity_id(), Kind.USER, self._clock.now(), login)
        self._database.write(lambda connection: _insert_identity(connection, user, hashed))

    def sign_in(self, login: str, password: str) -> Session:
        given = rules.credentials(login, password)
        rows: list[tuple[Any, ...]] = []
        if given is not None:
            rows = self._database.read(
                "SELECT password_hash, id, kind, created, login, groups, disabled"
                " FROM identities WHERE login = ?",
                (given[0],),
            )
        kept = rows[0][0] if rows else None
        right, newer = self._offload(check_password, kept, given[1] if given else "")
        user = _identity(rows[0][1:]) if rows else None
        if not right or user is None or user.disabled:
            raise rules.wrong_credentials()
        token = self._ids.secret()
        insert_token = self._insert_token(token, user, self._ids.secret())
        now = self._clock.now()

        def insert(connection: apsw.Connection) -> None:
            # Once more, in this transaction: an operator may have been faster than the hash.
            if connection.execute(_IS_DISABLED, (user.id,)).get:
                raise rules.wrong_credentials()
            connection.execute(
                "DELETE FROM refresh_tokens WHERE identity = ? AND expires <= ?", (user.id, now)
            )
            insert_token(connection)
            if newer is not None:
                connection.execute(
                    "UPDATE identities SET password_hash = ? WHERE id = ? AND password_hash = ?",
                    (newer, user.id, kept),
                )

        self._database.write(insert)
        return self._session(user, token)

    def refresh(self, refresh_token: str) -> Session:
        now = self._clock.now()
        token = self._ids.secret()

        def rotate(connection: apsw.Connection) -> Identity | None:
            digest = _digest(refresh_token)
            rows: list[tuple[Any, ...]] = connection.execute(_REFRESHED, (digest,)).fetchall()
            if not rows:
                return None
            family, expires, replaced, successor, successor_issued, superseded = rows[0][:6]
            identity = _identity(rows[0][6:])
            if identity.disabled or (expires is not None and expires <= now):
                return None
            if replaced is not None and superseded:
                # Only a token that brought none can be a client's second one.
                if successor is not None or replaced + rules.REUSE_SECONDS * _SECOND < now:
                    connection.execute("DELETE FROM refresh_tokens WHERE family = ?", (family,))
                return None
            connection.execute(
                "UPDATE refresh_tokens SET replaced = ?, successor = ? WHERE hash = ?",
                (now, _digest(token), digest),
            )
            _tidy(connection, family, now, again=replaced is not None)
            # In the order in which they came, whatever the clock does.
            issued = now if successor_issued is None else max(now, successor_issued + 1)
            self._insert_token(token, identity, family, issued)(connection)
            return identity

        identity = self._database.write(rotate)
        if identity is None:
            raise rules.bad_refresh_token()
        return self._session(identity, token)

    def verify(self, access_token: str) -> VerifiedToken:
        return self._access_tokens.verify(access_token)

    def find(self, identity: str) -> Identity | None:
        rows = self._database.read(_IDENTITY + "WHERE id = ?", (identity,))
        return _identity(rows[0]) if rows else None

    def find_login(self, login: str) -> Identity | None:
        name = rules.find_account(login)
        if name is None:
            return None
        rows = self._database.read(_IDENTITY + "WHERE login = ?", (name,))
        return _identity(rows[0]) if rows else None

    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        start = rules.start_of_page(limit, cursor)
        rows = self._database.read(
            _IDENTITY + "WHERE id > ? ORDER BY id LIMIT ?", (start, limit + 1)
        )
        found = tuple(_identity(row) for row in rows[:limit])
        more = len(rows) > limit
        return IdentityPage(found, rules.cursor_after(found[-1].id) if more else None)

    def disable(self, identity: str) -> None:
        def disable(connection: apsw.Connection) -> None:
            _set_disabled(connection, identity, disabled=True)
            connection.execute("DELETE FROM refresh_tokens WHERE identity = ?", (identity,))

        self._database.write(disable)

    def enable(self, identity: str) -> None:
        self._database.write(lambda one: _set_disabled(one, identity, disabled=False))

    def set_groups(self, identity: str, groups: Iterable[str]) -> None:
        """Put this identity in these groups, as of its next token. Not part of the port."""
        text = encode(sorted(groups))

        def update(connection: apsw.Connection) -> None:
            connection.execute("UPDATE identities SET groups = ? WHERE id = ?", (text, identity))

        self._database.write(update)

    def _session(self, identity: Identity, refresh_token: str) -> Session:
        access_token = self._access_tokens.issue(identity)
        return Session(identity, access_token, rules.ACCESS_SECONDS, refresh_token)

    def _insert_token(
        self, token: str, identity: Identity, family: str, issued: int | None = None
    ) -> Callable[[apsw.Connection], None]:
        now = self._clock.now()
        guest = identity.kind is Kind.GUEST
        expires = None if guest else now + rules.REFRESH_SECONDS * _SECOND

        def insert(connection: apsw.Connection) -> None:
            connection.execute(
                "INSERT INTO refresh_tokens (hash, identity, family, issued, expires)"
                " VALUES (?, ?, ?, ?, ?)",
                (_digest(token), identity.id, family, issued or now, expires),
            )

        return insert


def _tidy(connection: apsw.Connection, family: str, now: int, *, again: bool) -> None:
    """What a use makes of the rest of its family, before it brings a token: first, or `again`."""
    # Replaced ones are kept to tell theft by; not for ever, since guests' do not expire.
    forgotten_before = now - rules.REFRESH_SECONDS * _SECOND
    rows = connection.execute(_FAMILY, (family, forgotten_before)).fetchall()
    forgotten = [digest for digest, usable in rows if not usable]
    brought = [digest for digest, usable in rows if usable]
    # Those for which there is no room are kept as well: who holds a used token could else push
    # its client's next one out, and nobody could tell.
    superseded = brought[: 1 - rules.SUCCESSORS] if again else brought
    connection.executemany(
        "UPDATE refresh_tokens SET replaced = ? WHERE hash = ?",
        [(now, digest) for digest in superseded],
    )
    connection.executemany(
        "DELETE FROM refresh_tokens WHERE hash = ?", [(digest,) for digest in forgotten]
    )


def _set_disabled(connection: apsw.Connection, identity: str, *, disabled: bool) -> None:
    if connection.execute(_IS_DISABLED, (identity,)).get is None:
        raise rules.no_such_identity()
    connection.execute("UPDATE identities SET disabled = ? WHERE id = ?", (disabled, identity))


def _insert_identity(
    connection: apsw.Connection, identity: Identity, password_hash: str | None
) -> None:
    # For a login that is there already this rewrites its row as it is: the same work, and the
    # same wait for the disk, as for a new one.
    connection.execute(
        "INSERT INTO identities (id, kind, created, login, password_hash, groups, disabled)"
        " VALUES (?, ?, ?, ?, ?, '[]', 0) ON CONFLICT (login) DO UPDATE SET login = login",
        (identity.id, identity.kind.value, identity.created, identity.login or None, password_hash),
    )


def _identity(row: tuple[Any, ...]) -> Identity:
    id, kind, created, login, groups, disabled = row
    names = parse_json(groups)
    assert isinstance(names, list)
    return Identity(
        id, Kind(kind), created, login or "", tuple(str(one) for one in names), bool(disabled)
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
