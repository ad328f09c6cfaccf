"""Guests and accounts in dictionaries: for tests, with the semantics that every provider has."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from homeport.domain import identity as rules
from homeport.domain.model.identity import Identity, Kind, Session, VerifiedToken
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.identity_provider import IdentityPage

_SECOND = 1_000_000


@dataclass(slots=True)
class _Refresh:
    """A refresh token, kept under its digest. Times are in microseconds since 1970."""

    identity: str
    family: str
    expires: int | None
    replaced: int | None = None
    """When it was last used, or when another that the same token brought was or took its place."""
    successor: bytes | None = None
    """The digest of the last token that this one brought."""


class MemoryIdentityProvider:
    """Access tokens are opaque entries in a table; passwords get a fast, salted digest.

    That digest makes tests quick and is no protection: nothing here outlives the process.
    """

    def __init__(self, clock: Clock, ids: IdFactory) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = threading.RLock()
        self._identities: dict[str, Identity] = {}
        self._logins: dict[str, str] = {}
        self._passwords: dict[str, bytes] = {}
        self._access: dict[bytes, tuple[VerifiedToken, int]] = {}
        self._refresh: dict[bytes, _Refresh] = {}
        self._families: defaultdict[str, dict[bytes, _Refresh]] = defaultdict(dict)
        self._salt = ids.secret().encode()[:16]

    def guest(self) -> Session:
        with self._lock:
            guest = Identity(self._ids.identity_id(), Kind.GUEST, self._clock.now())
            self._identities[guest.id] = guest
            return self._session(guest, self._ids.secret())

    def sign_up(self, login: str, password: str) -> None:
        login, password = rules.normalize_login(login), rules.normalize_password(password)
        digest = self._password_digest(password)
        with self._lock:
            if login in self._logins:
                return
            user = Identity(self._ids.identity_id(), Kind.USER, self._clock.now(), login)
            self._identities[user.id] = user
            self._logins[login] = user.id
            self._passwords[user.id] = digest

    def sign_in(self, login: str, password: str) -> Session:
        given = rules.credentials(login, password)
        if given is None:
            raise rules.wrong_credentials()
        digest = self._password_digest(given[1])
        with self._lock:
            user = self._identities.get(self._logins.get(given[0], ""))
            if user is None or not hmac.compare_digest(digest, self._passwords[user.id]):
                raise rules.wrong_credentials()
            if user.disabled:
                raise rules.wrong_credentials()
            return self._session(user, self._ids.secret())

    def refresh(self, refresh_token: str) -> Session:
        now = self._clock.now()
        with self._lock:
            kept = self._refresh.get(_digest(refresh_token))
            identity = self._identities.get(kept.identity) if kept else None
            if kept is None or identity is None or identity.disabled:
                raise rules.bad_refresh_token()
            if kept.expires is not None and kept.expires <= now:
                raise rules.bad_refresh_token()
            if kept.replaced is None:
                self._supersede(kept.family, now)
            elif self._is_superseded(kept):
                if self._tells_theft(kept, now):
                    self._revoke(kept.family)
                raise rules.bad_refresh_token()
            kept.replaced = now
            self._forget_replaced(kept.family, now)
            session = self._session(identity, kept.family)
            kept.successor = _digest(session.refresh_token)
            self._supersede_oldest(kept.family, now)
            return session

    def verify(self, access_token: str) -> VerifiedToken:
        with self._lock:
            known = self._access.get(_digest(access_token))
        if known is None:
            raise rules.bad_access_token()
        verified, expires = known
        if expires <= self._clock.now():
            raise rules.expired_access_token()
        return verified

    def find(self, identity: str) -> Identity | None:
        with self._lock:
            return self._identities.get(identity)

    def find_login(self, login: str) -> Identity | None:
        with self._lock:
            return self._identities.get(self._logins.get(rules.find_account(login) or "", ""))

    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        start = rules.start_of_page(limit, cursor)
        with self._lock:
            ids = sorted(one for one in self._identities if one > start)
            found = tuple(self._identities[one] for one in islice(ids, limit))
        more = len(ids) > limit
        return IdentityPage(found, rules.cursor_after(found[-1].id) if more else None)

    def disable(self, identity: str) -> None:
        with self._lock:
            self._set_disabled(identity, disabled=True)
            self._end_sessions(identity)

    def enable(self, identity: str) -> None:
        with self._lock:
            self._set_disabled(identity, disabled=False)

    def set_groups(self, identity: str, groups: Iterable[str]) -> None:
        """Put this identity in these groups, as of its next token. Not part of the port."""
        with self._lock:
            self._identities[identity] = replace(
                self._identities[identity], groups=tuple(sorted(groups))
            )

    def _session(self, identity: Identity, family: str) -> Session:
        now = self._clock.now()
        self._forget_expired(now)
        access, refresh = self._ids.secret(), self._ids.secret()
        expires = now // _SECOND + rules.ACCESS_SECONDS
        self._access[_digest(access)] = (
            VerifiedToken(identity.principal, expires),
            expires * _SECOND,
        )
        until = None if identity.kind is Kind.GUEST else now + rules.REFRESH_SECONDS * _SECOND
        kept = _Refresh(identity.id, family, until)
        self._refresh[_digest(refresh)] = self._families[family][_digest(refresh)] = kept
        return Session(identity, access, rules.ACCESS_SECONDS, refresh)

    def _forget_expired(self, now: int) -> None:
        """Access tokens stand in the order of their ends, as long as the clock does not jump."""
        while self._access:
            oldest = next(iter(self._access))
            if self._access[oldest][1] > now:
                return
            del self._access[oldest]

    def _supersede(self, family: str, now: int) -> None:
        """One of the tokens that may be used is: with it go all that the same token brought."""
        for one in self._outstanding(family):
            one.replaced = now

    def _is_superseded(self, kept: _Refresh) -> bool:
        """Whether a replaced token was so by another than its own use, or what it brought is."""
        successor = self._refresh.get(kept.successor or b"")
        return successor is None or successor.replaced is not None

    def _tells_theft(self, kept: _Refresh, now: int) -> bool:
        """Only a token that brought none can be a client's second one."""
        second = kept.successor is None
        return not second or (kept.replaced or 0) + rules.REUSE_SECONDS * _SECOND < now

    def _supersede_oldest(self, family: str, now: int) -> None:
        """Kept, not deleted: who holds a used token could else push its client's next one out,
        and nobody could tell."""
        for one in self._outstanding(family)[: -rules.SUCCESSORS]:
            one.replaced = now

    def _outstanding(self, family: str) -> Sequence[_Refresh]:
        """The good ones of what the token that was used last has brought, the oldest first."""
        return [one for one in self._families[family].values() if one.replaced is None]

    def _forget_replaced(self, family: str, now: int) -> None:
        """As real providers do: used tokens are kept to tell theft by, but not for ever."""
        oldest = now - rules.REFRESH_SECONDS * _SECOND
        for digest, one in list(self._families[family].items()):
            if one.replaced is not None and one.replaced < oldest:
                self._forget(digest)

    def _forget(self, digest: bytes) -> None:
        family = self._refresh.pop(digest).family
        del self._families[family][digest]
        if not self._families[family]:
            del self._families[family]

    def _revoke(self, family: str) -> None:
        for digest in list(self._families[family]):
            self._forget(digest)

    def _set_disabled(self, identity: str, *, disabled: bool) -> None:
        known = self._identities.get(identity)
        if known is None:
            raise rules.no_such_identity()
        self._identities[identity] = replace(known, disabled=disabled)

    def _end_sessions(self, identity: str) -> None:
        for digest in [one for one, kept in self._refresh.items() if kept.identity == identity]:
            self._forget(digest)

    def _password_digest(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode(), salt=self._salt).digest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
