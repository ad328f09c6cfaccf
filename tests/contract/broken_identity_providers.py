"""Identity providers that were broken on purpose: each breaks one promise of the port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.identity_provider import _Refresh as Refresh
from homeport.domain import identity as rules
from homeport.domain import limits
from homeport.domain.errors import Invalid, Unauthenticated
from homeport.domain.model.identity import Identity, Principal, Session, VerifiedToken
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.identity_provider import IdentityPage, IdentityProvider
from tests.contract.mutants import breaks


@breaks(IdentityProvider.sign_in)
class IgnoresPasswords(MemoryIdentityProvider):
    def _password_digest(self, password: str) -> bytes:
        return b""


class TellsWhoExists(MemoryIdentityProvider):
    def sign_in(self, login: str, password: str) -> Session:
        given = rules.credentials(login, password)
        if given is not None and given[0] not in self._logins:
            raise Unauthenticated("There is no such login.", "invalid_grant")
        return super().sign_in(login, password)


class LetsTheLastOneSignUp(MemoryIdentityProvider):
    def sign_up(self, login: str, password: str) -> None:
        known = rules.credentials(login, password)
        if known is not None:
            self._logins.pop(known[0], None)
        super().sign_up(login, password)


class TakesWeakPasswords(MemoryIdentityProvider):
    def sign_up(self, login: str, password: str) -> None:
        super().sign_up(login, password + "x" * 8 if len(password) < 8 else password)


class KeepsTokensForEver(MemoryIdentityProvider):
    def verify(self, access_token: str) -> VerifiedToken:
        try:
            return super().verify(access_token)
        except Unauthenticated as exc:
            if exc.detail != rules.EXPIRED:
                raise
            return VerifiedToken(Principal("x", next(iter(self._identities.values())).kind), 0)


class ReadsTokensLoosely(MemoryIdentityProvider):
    def verify(self, access_token: str) -> VerifiedToken:
        return super().verify(access_token.strip())


class RefreshesForEver(MemoryIdentityProvider):
    def refresh(self, refresh_token: str) -> Session:
        for one in self._refresh.values():
            one.replaced = None
        return super().refresh(refresh_token)


class RefreshesOnlyOnce(MemoryIdentityProvider):
    """A lost answer locks its client out."""

    def refresh(self, refresh_token: str) -> Session:
        for one in self._refresh.values():
            if one.replaced is not None:
                one.successor = b""
        return super().refresh(refresh_token)


@breaks(IdentityProvider.refresh)
class RefreshesAgainForAMinute(MemoryIdentityProvider):
    """Who is longer without a connection is taken for a thief."""

    def _is_superseded(self, kept: Refresh) -> bool:
        late = (kept.replaced or 0) + 60_000_000 < self._clock.now()
        return late or super()._is_superseded(kept)


@breaks(IdentityProvider.refresh)
class TakesAnswersBack(MemoryIdentityProvider):
    """Of two that ask at once only one can go on."""

    def _supersede_oldest(self, family: str, now: int) -> None:
        for one in self._outstanding(family)[:-1]:
            one.replaced = now


@breaks(IdentityProvider.refresh)
class ForgetsWhatIsPushedOut(MemoryIdentityProvider):
    """A thief who asks often enough is not found out by the client's own token."""

    def _supersede_oldest(self, family: str, now: int) -> None:
        found = [digest for digest, one in self._families[family].items() if one.replaced is None]
        for digest in found[: -rules.SUCCESSORS]:
            self._forget(digest)


@breaks(IdentityProvider.refresh)
class ForgetsWhoAsksLate(MemoryIdentityProvider):
    """By the first use of a token, though it is used again."""

    def _forget_replaced(self, family: str, now: int) -> None:
        oldest = now - rules.REFRESH_SECONDS * 1_000_000
        for digest, one in list(self._refresh.items()):
            first_used = self._first_used.setdefault(digest, one.replaced or now)
            if one.replaced is not None and first_used < oldest:
                self._forget(digest)

    def __init__(self, clock: Clock, ids: IdFactory) -> None:
        super().__init__(clock, ids)
        self._first_used: dict[bytes, int] = {}


@breaks(IdentityProvider.refresh)
class BranchesForEver(MemoryIdentityProvider):
    """Each answer lasts, whichever of them is used."""

    def _supersede(self, family: str, now: int) -> None:
        return


@breaks(IdentityProvider.refresh)
class PilesAnswersUp(MemoryIdentityProvider):
    def _supersede_oldest(self, family: str, now: int) -> None:
        return


@breaks(IdentityProvider.refresh)
class OverlooksCopies(MemoryIdentityProvider):
    def _is_superseded(self, kept: Refresh) -> bool:
        return kept.successor is None


@breaks(IdentityProvider.refresh)
class OverlooksCopiesOfTheLastAnswer(MemoryIdentityProvider):
    """Of those that ended up in two hands, where another answer was used."""

    def _tells_theft(self, kept: Refresh, now: int) -> bool:
        return kept.successor is not None


@breaks(IdentityProvider.refresh)
class TakesEverySecondOneForACopy(MemoryIdentityProvider):
    def _tells_theft(self, kept: Refresh, now: int) -> bool:
        return True


@breaks(IdentityProvider.refresh)
class ForgivesCopiesForAMinute(MemoryIdentityProvider):
    def _tells_theft(self, kept: Refresh, now: int) -> bool:
        return (kept.replaced or 0) + rules.REUSE_SECONDS * 1_000_000 < now


@breaks(IdentityProvider.refresh)
class RevokesNothing(MemoryIdentityProvider):
    def _revoke(self, family: str) -> None:
        return


@breaks(IdentityProvider.refresh)
class RevokesEverything(MemoryIdentityProvider):
    def _revoke(self, family: str) -> None:
        self._refresh.clear()


@breaks(IdentityProvider.refresh)
class LetsGuestsExpire(MemoryIdentityProvider):
    def _session(self, identity: Identity, family: str) -> Session:
        session = super()._session(identity, family)
        last = list(self._refresh.values())[-1]
        last.expires = self._clock.now() + rules.REFRESH_SECONDS * 1_000_000
        return session


class LetsTheDisabledIn(MemoryIdentityProvider):
    def sign_in(self, login: str, password: str) -> Session:
        disabled = {id: one for id, one in self._identities.items() if one.disabled}
        for id, one in disabled.items():
            self._identities[id] = replace(one, disabled=False)
        try:
            return super().sign_in(login, password)
        finally:
            self._identities.update(disabled)


@breaks(IdentityProvider.disable)
class LetsTheDisabledGoOn(MemoryIdentityProvider):
    """Their sessions wait for the day that they are enabled."""

    def _end_sessions(self, identity: str) -> None:
        return


@breaks(IdentityProvider.disable)
class EndsOneSession(MemoryIdentityProvider):
    def _end_sessions(self, identity: str) -> None:
        kept = next((one for one in self._refresh.values() if one.identity == identity), None)
        if kept is not None:
            self._revoke(kept.family)


@breaks(IdentityProvider.disable)
class EndsEverybodysSessions(MemoryIdentityProvider):
    def _end_sessions(self, identity: str) -> None:
        self._refresh.clear()


class DisablesNobody(MemoryIdentityProvider):
    def disable(self, identity: str) -> None:
        super().disable(identity)
        super().enable(identity)


class DisablesOnlyOnce(MemoryIdentityProvider):
    def disable(self, identity: str) -> None:
        known = self.find(identity)
        if known is not None and known.disabled:
            raise rules.no_such_identity()
        super().disable(identity)


class DisablesStrangersQuietly(MemoryIdentityProvider):
    def disable(self, identity: str) -> None:
        if identity in self._identities:
            super().disable(identity)


class EnablesNobody(MemoryIdentityProvider):
    def enable(self, identity: str) -> None:
        if self.find(identity) is None:
            raise rules.no_such_identity()


class EnablesStrangersQuietly(MemoryIdentityProvider):
    def enable(self, identity: str) -> None:
        if identity in self._identities:
            super().enable(identity)


class EndsSessionsByEnabling(MemoryIdentityProvider):
    def enable(self, identity: str) -> None:
        super().enable(identity)
        self._end_sessions(identity)


class ReadsLoginsAsTheyAreSpelt(MemoryIdentityProvider):
    def find_login(self, login: str) -> Identity | None:
        return self._identities.get(self._logins.get(login, ""))


class FindsLoginsById(MemoryIdentityProvider):
    def find_login(self, login: str) -> Identity | None:
        return super().find_login(login) or self.find(login)


class ListsByPlace(MemoryIdentityProvider):
    """A page begins at a number, and whoever is new comes first."""

    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        super().list(limit)
        if cursor is not None and not cursor.isdigit():
            raise Invalid("This cursor cannot be used here.")
        start = int(cursor or 0)
        newest = list(self._identities.values())[::-1]
        more = str(start + limit) if start + limit < len(newest) else None
        return IdentityPage(tuple(newest[start : start + limit]), more)


class ListsTheLastOneTwice(MemoryIdentityProvider):
    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        page = super().list(limit, cursor)
        if page.cursor is None or limit == 1:
            return page
        return IdentityPage(page.identities, rules.cursor_after(page.identities[-2].id))


class SkipsWhoComesAfterAPage(MemoryIdentityProvider):
    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        page = super().list(limit, cursor)
        if page.cursor is None:
            return page
        skipped = super().list(1, page.cursor).identities[0].id
        return IdentityPage(page.identities, rules.cursor_after(skipped))


class ListsOnlyWhoMaySignIn(MemoryIdentityProvider):
    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        page = super().list(limit, cursor)
        return replace(page, identities=tuple(one for one in page.identities if not one.disabled))


class StartsOverForStrangeCursors(MemoryIdentityProvider):
    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        try:
            return super().list(limit, cursor)
        except Invalid:
            return super().list(limit)


class ListsAsManyAsItLikes(MemoryIdentityProvider):
    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        return super().list(max(1, min(limit, limits.IDENTITIES_PAGE)), cursor)


@breaks(IdentityProvider.verify)
class ForgetsGroups(MemoryIdentityProvider):
    def set_groups(self, identity: str, groups: Iterable[str]) -> None:
        return


class KnowsOneGuest(MemoryIdentityProvider):
    def guest(self) -> Session:
        if not self._identities:
            return super().guest()
        return self._session(next(iter(self._identities.values())), self._ids.secret())


class FindsNobody(MemoryIdentityProvider):
    def find(self, identity: str) -> Identity | None:
        return None


class FindsAnybody(MemoryIdentityProvider):
    def find(self, identity: str) -> Identity | None:
        return super().find(identity) or next(iter(self._identities.values()), None)


PROVIDERS: Final[Sequence[type[MemoryIdentityProvider]]] = (
    IgnoresPasswords,
    TellsWhoExists,
    LetsTheLastOneSignUp,
    TakesWeakPasswords,
    KeepsTokensForEver,
    ReadsTokensLoosely,
    RefreshesForEver,
    RefreshesOnlyOnce,
    RefreshesAgainForAMinute,
    TakesAnswersBack,
    ForgetsWhatIsPushedOut,
    ForgetsWhoAsksLate,
    BranchesForEver,
    PilesAnswersUp,
    OverlooksCopies,
    OverlooksCopiesOfTheLastAnswer,
    TakesEverySecondOneForACopy,
    ForgivesCopiesForAMinute,
    RevokesNothing,
    RevokesEverything,
    LetsGuestsExpire,
    LetsTheDisabledIn,
    LetsTheDisabledGoOn,
    EndsOneSession,
    EndsEverybodysSessions,
    DisablesNobody,
    DisablesOnlyOnce,
    DisablesStrangersQuietly,
    EnablesNobody,
    EnablesStrangersQuietly,
    EndsSessionsByEnabling,
    ReadsLoginsAsTheyAreSpelt,
    FindsLoginsById,
    ListsByPlace,
    ListsTheLastOneTwice,
    SkipsWhoComesAfterAPage,
    ListsOnlyWhoMaySignIn,
    StartsOverForStrangeCursors,
    ListsAsManyAsItLikes,
    ForgetsGroups,
    KnowsOneGuest,
    FindsNobody,
    FindsAnybody,
)
