"""Guests and password accounts in the table that holds the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from homeport.adapters.aws import identity_items as items
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.identity_items import Account, RefreshToken, StoredSession
from homeport.adapters.aws.identity_keys import DynamoDBSigningKeys
from homeport.adapters.aws.identity_table import (
    ABSENT,
    PRESENT,
    IdentityTable,
    Item,
    Refused,
    Write,
)
from homeport.adapters.credentials.access_tokens import AccessTokens
from homeport.adapters.credentials.passwords import check_password, hash_password
from homeport.domain import identity as rules
from homeport.domain.errors import Invalid, Overloaded
from homeport.domain.model.identity import Identity, Kind, Session, VerifiedToken
from homeport.domain.model.names import check_id
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.identity_provider import IdentityPage

_RACES: Final = 16
"""How often one call looks again because others changed what it had read."""
_ONE: Final = {"N": "1"}


def _at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


class DynamoDBIdentityProvider:
    """Passwords are kept as argon2id hashes, refresh tokens as SHA-256, access tokens not at all.

    A session is one item that knows which refresh tokens may be used: the one that was used
    last, and those that this has brought. Each use replaces that item on the condition that it
    is as it was read, and that the identity has not been disabled since: both in one transaction.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        ids: IdFactory,
        *,
        table: str,
        offload: Callable[..., Any] = _at_once,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`offload(function, *args)` runs hashing and the table's calls where nothing waits
        beside them; `sleep` takes the seconds between two tries of a call."""
        self._clock = clock
        self._ids = ids
        self._offload = offload
        self._table = IdentityTable(clients, table, offload, sleep)
        self._keys = DynamoDBSigningKeys(self._table, clock)
        self._access_tokens = AccessTokens(self._keys, clock)

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the table does not answer. Not of the
        port."""
        self.find("check")

    def guest(self) -> Session:
        guest = Account(Identity(self._ids.identity_id(), Kind.GUEST, self._clock.now()))
        token, begin = self._begun(guest)
        # Nobody else has this id: what refuses it is this very call, whose answer was lost.
        with suppress(Refused):
            self._table.transact(_put_new(guest.item()), begin)
        return self._session(guest.identity, token)

    def sign_up(self, login: str, password: str) -> None:
        login, password = rules.normalize_login(login), rules.normalize_password(password)
        hashed: str = self._offload(hash_password, password)
        user = Identity(self._ids.identity_id(), Kind.USER, self._clock.now(), login)
        name = items.login_key(login) | {"identity": {"S": user.id}}
        with suppress(Refused):  # there is such a login, which nobody is told
            self._table.transact(_put_new(name), _put_new(Account(user, hashed).item()))

    def sign_in(self, login: str, password: str) -> Session:
        given = rules.credentials(login, password)
        user = self._account(given[0]) if given is not None else None
        kept = user.password_hash if user is not None else None
        right, newer = self._offload(check_password, kept, given[1] if given else "")
        if not right or user is None or user.identity.disabled:
            raise rules.wrong_credentials()
        if newer is not None:
            self._rehash(user, newer)
        for _ in range(_RACES):
            # The transaction asks once more: an operator may have been faster than the hash.
            if user is None or user.identity.disabled:
                raise rules.wrong_credentials()
            token, begin = self._begun(user)
            try:
                self._table.transact(user.still_so(), begin)
            except Refused:
                user = self._find(user.identity.id)
                continue
            return self._session(user.identity, token)
        raise _crowded()

    def refresh(self, refresh_token: str) -> Session:
        token = RefreshToken.read(refresh_token)
        if token is None:
            raise rules.bad_refresh_token()
        fresh = RefreshToken(token.identity, token.session, self._ids.secret())
        for _ in range(_RACES):
            user, session = self._session_of(token)
            if session.brought(fresh) is not None:
                # The answer of the try before was lost.
                return self._session(user.identity, fresh)
            writes = self._answer(user, session, token, fresh)
            try:
                self._table.transact(*writes, user.still_so())
            except Refused:
                continue
            return self._session(user.identity, fresh)
        raise _crowded()

    def verify(self, access_token: str) -> VerifiedToken:
        return self._access_tokens.verify(access_token)

    def find(self, identity: str) -> Identity | None:
        found = self._find(identity)
        return found.identity if found is not None else None

    def find_login(self, login: str) -> Identity | None:
        name = rules.find_account(login)
        found = self._account(name) if name is not None else None
        return found.identity if found is not None else None

    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        """In the order of their partitions, and by id in each. A page reads on through all
        partitions until it is full, the last one to the end: up to 32 queries."""
        start = rules.start_of_page(limit, cursor)
        found: list[Identity] = []
        for number in range(items.bucket_of(start) if start else 0, items.BUCKETS):
            wanted = limit + 1 - len(found)
            rows = self._table.query(items.bucket(number), start, wanted, items.SHOWN)
            found += (items.account(row).identity for row in rows)
            if len(found) > limit:
                page = tuple(found[:limit])
                return IdentityPage(page, rules.cursor_after(page[-1].id))
            start = ""
        return IdentityPage(tuple(found), None)

    def disable(self, identity: str) -> None:
        # What is out is ended by the count, by one write however many sessions there are. They
        # stay until their time to live.
        self._change(
            identity, "SET #disabled = :yes ADD #ended :one", {":yes": {"BOOL": True}, ":one": _ONE}
        )

    def enable(self, identity: str) -> None:
        self._change(identity, "REMOVE #disabled")

    def set_groups(self, identity: str, groups: Iterable[str]) -> None:
        """Put this identity in these groups, as of its next token. Not part of the port."""
        names = items.groups(tuple(sorted(groups)))
        self._change(identity, "SET #groups = :groups", {":groups": names})

    def rotate_signing_key(self) -> None:
        """Let a new key sign access tokens in ten minutes, when every process knows it; older
        ones are good for an hour. Not part of the port."""
        self._keys.rotate()

    def _answer(
        self, user: Account, session: StoredSession, token: RefreshToken, fresh: RefreshToken
    ) -> Sequence[Write]:
        """What makes `fresh` the answer to `token`. Raises Unauthenticated where none is due,
        and then ends the session of a token that was used before, and so is in two hands."""
        now = self._clock.now()
        issued = items.issued(fresh, user.identity.kind, now)
        first = session.brought(token)
        if first is not None:
            if first.expired(now):
                raise rules.bad_refresh_token()
            after = session.rotated(first, issued, now)
            return [after.follows(session), *session.used_up(first, now)]
        if session.used is not None and token.digest == session.used.digest:
            if session.used.expired(now):
                raise rules.bad_refresh_token()
            after = session.answered_again(issued, now)
            return [after.follows(session), *session.pushed_out(now)]
        used_up = self._table.get(items.used_key(token.identity, token.session, token.digest))
        if used_up is not None and session.tells_theft(used_up, now):
            self._table.delete(session.key)
        raise rules.bad_refresh_token()

    def _session_of(self, token: RefreshToken) -> tuple[Account, StoredSession]:
        """Raises Unauthenticated where the session is over, or never was."""
        who, what = self._table.get_both(
            items.identity_key(token.identity), items.session_key(token.identity, token.session)
        )
        if who is None or what is None:
            raise rules.bad_refresh_token()
        user, session = items.account(who), items.session(what)
        if user.identity.disabled or user.ended != session.ended:
            raise rules.bad_refresh_token()
        return user, session

    def _account(self, login: str) -> Account | None:
        """The account with this login; without one the work is the same."""
        known = self._table.get(items.login_key(login))
        return self._find(known["identity"]["S"] if known else self._ids.identity_id())

    def _find(self, identity: str) -> Account | None:
        try:
            found = self._table.get(items.identity_key(check_id("identity", identity)))
        except Invalid:
            return None
        return items.account(found) if found is not None else None

    def _change(
        self, identity: str, change: str, values: dict[str, dict[str, Any]] | None = None
    ) -> None:
        """Raises NotFound for an id that nobody has."""
        try:
            key = items.identity_key(check_id("identity", identity))
            self._table.update(key, change, PRESENT, values)
        except (Invalid, Refused) as exc:
            raise rules.no_such_identity() from exc

    def _rehash(self, user: Account, newer: str) -> None:
        hashes = {":kept": {"S": user.password_hash}, ":newer": {"S": newer}}
        key = items.identity_key(user.identity.id)
        with suppress(Refused):  # another sign-in has done the same
            self._table.update(key, "SET #password_hash = :newer", "#password_hash = :kept", hashes)

    def _begun(self, user: Account) -> tuple[RefreshToken, Write]:
        """The first refresh token of a new session, and what stores that."""
        now = self._clock.now()
        token = RefreshToken(user.identity.id, self._ids.secret(), self._ids.secret())
        issued = items.issued(token, user.identity.kind, now)
        session = StoredSession(token.identity, token.session, user.ended, issued, now)
        return token, {"Put": {"Item": session.item()}}

    def _session(self, identity: Identity, token: RefreshToken) -> Session:
        access_token = self._access_tokens.issue(identity)
        return Session(identity, access_token, rules.ACCESS_SECONDS, token.text)


def _put_new(item: Item) -> Write:
    return {"Put": {"Item": item, "ConditionExpression": ABSENT}}


def _crowded() -> Overloaded:
    return Overloaded("Too many requests use this session at once; try again.")
