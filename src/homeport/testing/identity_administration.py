"""The identity provider's contract: what an operator does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain import limits
from homeport.domain.errors import Invalid, NotFound, Unauthenticated
from homeport.domain.model.identity import Session
from homeport.domain.ports.identity_provider import IdentityPage, IdentityProvider
from homeport.testing.contract import skip_unless
from homeport.testing.identity_support import PASSWORD, IdentitySupport

_PAGES: Final = 10_000
"""More than any list has in a test."""


class AdministrationContract(IdentitySupport):
    """Listing, disabling, enabling, and groups."""

    @final
    def test_who_is_disabled_gets_no_further(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        elsewhere = provider.sign_in(login, PASSWORD)
        newer = provider.refresh(user.refresh_token)
        guest, other = provider.guest(), provider.guest()
        for session in (user, guest):
            provider.disable(session.identity.id)
        self.settle()
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, PASSWORD)
        for token in (newer, elsewhere, guest):
            assert self.refused_refresh(provider, token.refresh_token)
        assert provider.find(user.identity.id) == replace(user.identity, disabled=True)
        assert provider.find_login(login) == replace(user.identity, disabled=True)
        assert provider.find(other.identity.id) == other.identity
        assert provider.refresh(other.refresh_token).identity == other.identity

    @final
    def test_who_is_enabled_signs_in_again_and_old_sessions_stay_ended(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        elsewhere = provider.sign_in(login, PASSWORD)
        newer = provider.refresh(user.refresh_token)
        guest = provider.guest()
        for identity in (user.identity.id, guest.identity.id):
            provider.disable(identity)
            provider.enable(identity)
        self.settle()
        assert provider.find(user.identity.id) == user.identity
        for token in (user, newer, elsewhere, guest):
            assert self.refused_refresh(provider, token.refresh_token)
        again = provider.sign_in(login, PASSWORD)
        assert again.identity == user.identity
        assert provider.refresh(again.refresh_token).identity == user.identity

    @final
    def test_disabling_and_enabling_twice_changes_nothing(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        provider.enable(user.identity.id)
        self.settle()
        newer = provider.refresh(user.refresh_token)
        assert newer.identity == user.identity
        for _ in range(2):
            provider.disable(user.identity.id)
        self.settle()
        assert provider.find(user.identity.id) == replace(user.identity, disabled=True)
        for _ in range(2):
            provider.enable(user.identity.id)
        self.settle()
        assert provider.sign_in(login, PASSWORD).identity == user.identity

    @final
    @pytest.mark.parametrize("identity", ["nobody", "", "a" * 26])
    def test_who_is_not_there_is_neither_disabled_nor_enabled(
        self, provider: IdentityProvider, identity: str
    ) -> None:
        guest = provider.guest().identity
        self.settle()
        for change in (provider.disable, provider.enable):
            with pytest.raises(NotFound):
                change(identity)
        assert provider.find(guest.id) == guest
        assert provider.find(identity) is None

    @final
    def test_an_account_is_found_by_its_login(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        guest = provider.guest()
        self.settle()
        for spelling in (login, login.upper()):
            assert provider.find_login(spelling) == user.identity
        for nobodys in ("nobody-" + login, user.identity.id, guest.identity.id, "", "x", "\ud800"):
            assert provider.find_login(nobodys) is None

    @final
    def test_identities_are_listed_a_page_at_a_time(
        self, provider: IdentityProvider, user: Session, clock: ManualClock
    ) -> None:
        made = [user.identity]
        for _ in range(6):
            clock.advance(1)
            made.append(provider.guest().identity)
        provider.disable(made[3].id)
        made[3] = replace(made[3], disabled=True)
        self.settle()
        orders: list[list[str]] = []
        shown = ""
        for limit in (1, 3, limits.IDENTITIES_PAGE):
            pages = list(self.walk(provider, limit))
            assert all(len(one.identities) <= limit for one in pages)
            listed = [identity for one in pages for identity in one.identities]
            assert len({one.id for one in listed}) == len(listed)
            assert [one for one in made if one not in listed] == []
            orders.append([one.id for one in listed])
            shown += str(pages)
        assert orders[1:] == orders[:-1]
        for secret in (PASSWORD, user.access_token, user.refresh_token):
            assert secret not in shown

    @final
    def test_who_appears_meanwhile_hides_and_repeats_nobody(
        self, provider: IdentityProvider
    ) -> None:
        there = {provider.guest().identity.id for _ in range(8)}
        self.settle()
        listed: list[str] = []
        for number, page in enumerate(self.walk(provider, 2)):
            listed += (one.id for one in page.identities)
            if number < 4:
                for _ in range(3):
                    provider.guest()
                self.settle()
        assert len(set(listed)) == len(listed)
        assert there <= set(listed)

    @final
    @pytest.mark.parametrize("limit", [-1, 0, limits.IDENTITIES_PAGE + 1])
    def test_a_page_has_bounds(self, provider: IdentityProvider, limit: int) -> None:
        provider.guest()
        with pytest.raises(Invalid):
            provider.list(limit)

    @final
    @pytest.mark.parametrize("cursor", ["", "x", "W10", "\ud800", "x" * 10_000])
    def test_a_cursor_that_is_none_is_refused(
        self, provider: IdentityProvider, cursor: str
    ) -> None:
        provider.guest()
        with pytest.raises(Invalid):
            provider.list(10, cursor)

    def walk(self, provider: IdentityProvider, limit: int) -> Iterator[IdentityPage]:
        """Every page, from the first to the last."""
        cursor = None
        for _ in range(_PAGES):
            page = provider.list(limit, cursor)
            yield page
            cursor = page.cursor
            if cursor is None:
                return
        raise AssertionError("the list does not end")

    @final
    def test_groups_come_with_the_next_token(
        self, provider: IdentityProvider, user: Session
    ) -> None:
        skip_unless(self.administers, "this provider's groups cannot be set by a test")
        self.set_groups(provider, user.identity.id, ["editors", "admin"])
        self.settle()
        session = provider.refresh(user.refresh_token)
        assert session.identity.groups == ("admin", "editors")
        assert provider.verify(session.access_token).principal.groups == ("admin", "editors")
        assert provider.verify(user.access_token).principal.groups == ()
