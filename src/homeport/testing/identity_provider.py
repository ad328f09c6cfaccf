"""The contract of the identity provider."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain import limits
from homeport.domain.errors import Invalid, NotFound, Unauthenticated
from homeport.domain.model.identity import Kind, Session
from homeport.domain.model.names import check_id
from homeport.domain.ports.identity_provider import IdentityPage, IdentityProvider
from homeport.testing.contract import Contract, skip_unless

PASSWORD = "correct horse battery"
MINUTE = 60
DAY = 24 * 60 * MINUTE
_PAGES = 10_000
"""More than any list has in a test."""


class IdentityProviderContract(Contract):
    """What `homeport.domain.ports.identity_provider.IdentityProvider` promises.

    Override the fixtures `provider` and `another`, a second provider that knows nothing of the
    first. Hand both the fixture `clock`. Override `set_groups`, or set `administers` to False
    where a test cannot.
    """

    administers: ClassVar[bool] = True

    @pytest.fixture
    def provider(self, clock: ManualClock) -> Iterator[IdentityProvider]:
        raise self.missing("provider")

    @pytest.fixture
    def another(self, clock: ManualClock) -> Iterator[IdentityProvider]:
        raise self.missing("another")

    def set_groups(self, provider: Any, identity: str, groups: Iterable[str]) -> None:
        """Put this identity in these groups."""
        raise NotImplementedError("Override `set_groups`, or set `administers` to False.")

    @pytest.fixture
    def login(self) -> str:
        """A login that nobody has."""
        return f"{uuid.uuid4().hex}@example.org"

    @pytest.fixture
    def user(self, provider: IdentityProvider, login: str) -> Session:
        """Somebody who has just signed up and in."""
        provider.sign_up(login, PASSWORD)
        self.settle()
        return provider.sign_in(login, PASSWORD)

    def refused_refresh(self, provider: IdentityProvider, token: str) -> bool:
        try:
            provider.refresh(token)
        except Unauthenticated as exc:
            return exc.reason == "invalid_grant"
        return False

    # Guests

    @final
    def test_a_guest_is_somebody_new(self, provider: IdentityProvider, clock: ManualClock) -> None:
        first, second = provider.guest(), provider.guest()
        assert first.identity.id != second.identity.id
        assert first.identity.kind is Kind.GUEST
        assert first.identity.login == ""
        assert first.identity.created == clock.now()
        assert not first.identity.disabled
        assert check_id("identity", first.identity.id) not in {"me", "operator", "public"}
        tokens = {
            first.access_token,
            second.access_token,
            first.refresh_token,
            second.refresh_token,
        }
        assert len(tokens) == 4

    @final
    def test_an_access_token_says_who(self, provider: IdentityProvider, clock: ManualClock) -> None:
        session = provider.guest()
        verified = provider.verify(session.access_token)
        assert verified.principal == session.identity.principal
        assert verified.expires == clock.now() // 1_000_000 + session.expires_in

    @final
    def test_an_identity_is_found_by_its_id(self, provider: IdentityProvider) -> None:
        session = provider.guest()
        self.settle()
        assert provider.find(session.identity.id) == session.identity

    @final
    def test_who_is_not_there_is_not_found(self, provider: IdentityProvider) -> None:
        provider.guest()
        self.settle()
        assert provider.find("nobody") is None
        assert provider.find("") is None

    # Accounts

    @final
    def test_a_user_keeps_one_id(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        again = provider.sign_in(login, PASSWORD)
        assert again.identity == user.identity
        assert again.identity.kind is Kind.USER
        assert again.refresh_token != user.refresh_token
        assert provider.verify(again.access_token).principal.id == user.identity.id
        assert provider.find(user.identity.id) == user.identity

    @final
    def test_a_login_is_the_same_however_it_is_spelt(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        wide = "".join(chr(ord(char) + 0xFEE0) for char in login)
        for spelling in (login.upper(), wide):
            assert provider.sign_in(spelling, PASSWORD).identity.id == user.identity.id

    @final
    def test_a_password_is_the_same_however_unicode_spells_it(
        self, provider: IdentityProvider, login: str
    ) -> None:
        provider.sign_up(login, "stra\u00dfencaf\u00e9")
        self.settle()
        assert provider.sign_in(login, "stra\u00dfencafe\u0301").identity.login == login
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, "Stra\u00dfencaf\u00e9")

    @final
    def test_signing_up_twice_changes_nothing_and_says_nothing(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        provider.sign_up(login.upper(), "another password")
        self.settle()
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, "another password")
        assert provider.sign_in(login, PASSWORD).identity == user.identity

    @final
    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("ab", PASSWORD),
            ("x" * 129, PASSWORD),
            ("two words", PASSWORD),
            ("tab\tbed", PASSWORD),
            ("zero\u200bwidth", PASSWORD),
            ("somebody@example.org", "short77"),
            ("somebody@example.org", "x" * 1025),
        ],
    )
    def test_bad_credentials_make_no_account(
        self, provider: IdentityProvider, name: str, password: str
    ) -> None:
        with pytest.raises(Invalid) as caught:
            provider.sign_up(name, password)
        assert caught.value.faults
        with pytest.raises(Unauthenticated):
            provider.sign_in(name, password)

    @final
    def test_the_longest_credentials_make_an_account(self, provider: IdentityProvider) -> None:
        login, password = uuid.uuid4().hex * 4, "ü" * 1024
        provider.sign_up(login, password)
        self.settle()
        assert provider.sign_in(login, password).identity.login == login
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, password[:-1])

    @final
    def test_nothing_tells_why_a_sign_in_was_refused(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        attempts = [(login, "wrong password"), ("nobody-" + login, PASSWORD), ("x", "y")]
        other = f"other-{login}"
        provider.sign_up(other, PASSWORD)
        self.settle()
        provider.disable(provider.sign_in(other, PASSWORD).identity.id)
        self.settle()
        attempts.append((other, PASSWORD))
        answers = set()
        for name, password in attempts:
            with pytest.raises(Unauthenticated) as caught:
                provider.sign_in(name, password)
            answers.add((caught.value.detail, caught.value.reason))
        assert len(answers) == 1

    # Access tokens

    @final
    def test_an_access_token_ends_after_15_minutes(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        session = provider.guest()
        assert session.expires_in == 15 * MINUTE
        clock.advance(15 * MINUTE - 1)
        provider.verify(session.access_token)
        clock.advance(1)
        with pytest.raises(Unauthenticated) as caught:
            provider.verify(session.access_token)
        assert caught.value.reason == "invalid_token"

    @final
    def test_a_token_that_was_tampered_with_is_refused(self, provider: IdentityProvider) -> None:
        token = provider.guest().access_token
        # The very last letter of a base64 text may hold bits that mean nothing.
        for place in range(0, len(token) - 1, max(1, len(token) // 25)):
            letter = "A" if token[place] != "A" else "B"
            with pytest.raises(Unauthenticated):
                provider.verify(token[:place] + letter + token[place + 1 :])

    @final
    @pytest.mark.parametrize(
        "token", ["", ".", "..", "a.b.c", "ü", "\ud800", "null", "x" * 100_000, "e30.e30."]
    )
    def test_what_is_no_token_is_refused(self, provider: IdentityProvider, token: str) -> None:
        with pytest.raises(Unauthenticated) as caught:
            provider.verify(token)
        assert caught.value.reason == "invalid_token"
        assert self.refused_refresh(provider, token)

    @final
    def test_a_cut_or_longer_token_is_refused(self, provider: IdentityProvider) -> None:
        token = provider.guest().access_token
        for wrong in (token[:-1], token + "A", token + ".", f" {token}", token + "\n"):
            with pytest.raises(Unauthenticated):
                provider.verify(wrong)

    @final
    def test_anothers_tokens_are_refused(
        self, provider: IdentityProvider, another: IdentityProvider
    ) -> None:
        session = another.guest()
        with pytest.raises(Unauthenticated):
            provider.verify(session.access_token)
        assert self.refused_refresh(provider, session.refresh_token)

    @final
    def test_tokens_serve_one_purpose(self, provider: IdentityProvider) -> None:
        session = provider.guest()
        with pytest.raises(Unauthenticated):
            provider.verify(session.refresh_token)
        assert self.refused_refresh(provider, session.access_token)

    # Refresh tokens

    @final
    def test_refreshing_goes_on_as_the_same_identity(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        first = provider.guest()
        clock.advance(DAY)
        second = provider.refresh(first.refresh_token)
        assert second.identity == first.identity
        assert second.refresh_token != first.refresh_token
        assert provider.verify(second.access_token).principal == first.identity.principal
        third = provider.refresh(second.refresh_token)
        assert third.identity == first.identity

    @final
    def test_a_lost_answer_can_be_asked_for_again(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        first = provider.guest()
        lost = provider.refresh(first.refresh_token)
        clock.advance(MINUTE)
        again = provider.refresh(first.refresh_token)
        assert again.identity == first.identity
        assert again.refresh_token != lost.refresh_token
        clock.advance(DAY)
        assert provider.refresh(again.refresh_token).identity == first.identity

    @final
    def test_asking_again_takes_back_what_was_answered_before(
        self, provider: IdentityProvider, user: Session
    ) -> None:
        answers = [provider.refresh(user.refresh_token) for _ in range(4)]
        for lost in answers[:-1]:
            assert self.refused_refresh(provider, lost.refresh_token)
        assert provider.refresh(answers[-1].refresh_token).identity == user.identity

    @final
    def test_a_used_token_is_refused_once_what_it_brought_was_used(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        elsewhere = provider.sign_in(login, PASSWORD)
        newer = provider.refresh(user.refresh_token)
        newest = provider.refresh(newer.refresh_token)
        assert self.refused_refresh(provider, user.refresh_token)
        for token in (newest, newer, user):
            assert self.refused_refresh(provider, token.refresh_token)
        assert provider.refresh(elsewhere.refresh_token).identity == user.identity

    @final
    def test_a_used_token_that_comes_late_ends_the_whole_family(
        self, provider: IdentityProvider, clock: ManualClock, user: Session, login: str
    ) -> None:
        elsewhere = provider.sign_in(login, PASSWORD)
        newest = provider.refresh(provider.refresh(user.refresh_token).refresh_token)
        clock.advance(MINUTE + 1)
        assert self.refused_refresh(provider, user.refresh_token)
        assert self.refused_refresh(provider, newest.refresh_token)
        assert provider.refresh(elsewhere.refresh_token).identity == user.identity

    @final
    def test_asking_again_does_not_make_the_old_token_last(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        first = provider.guest()
        provider.refresh(first.refresh_token)
        clock.advance(MINUTE // 2)
        provider.refresh(first.refresh_token)
        clock.advance(MINUTE // 2 + 1)
        assert self.refused_refresh(provider, first.refresh_token)

    @final
    def test_a_users_token_lasts_30_days_from_its_last_use(
        self, provider: IdentityProvider, clock: ManualClock, user: Session
    ) -> None:
        clock.advance(30 * DAY - 1)
        newer = provider.refresh(user.refresh_token)
        clock.advance(30 * DAY - 1)
        newest = provider.refresh(newer.refresh_token)
        clock.advance(30 * DAY)
        assert self.refused_refresh(provider, newest.refresh_token)

    @final
    def test_a_guests_token_does_not_end(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        guest = provider.guest()
        clock.advance(1000 * DAY)
        assert provider.refresh(guest.refresh_token).identity == guest.identity

    # Administration

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
