"""The identity provider's contract: refresh tokens, lost answers and stolen copies."""

from __future__ import annotations

from typing import Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.model.identity import Session
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.testing.identity_support import DAY, MINUTE, PASSWORD, IdentitySupport

_SUCCESSORS: Final = 8


class RefreshingContract(IdentitySupport):
    """How long a refresh token is good, and what ends the rest of its family."""

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

    # Lost answers

    @final
    def test_a_lost_answer_can_be_asked_for_again_at_any_time(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        first = provider.guest()
        again = provider.refresh(first.refresh_token)
        for seconds in (0, MINUTE, MINUTE + 1, 400 * DAY):
            clock.advance(seconds)
            again = provider.refresh(first.refresh_token)
            assert again.identity == first.identity
        clock.advance(DAY)
        assert provider.refresh(again.refresh_token).identity == first.identity

    @final
    def test_answers_may_be_lost_again_and_again(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        token = provider.guest().refresh_token
        for _ in range(3):
            provider.refresh(token)
            clock.advance(DAY)
            token = provider.refresh(token).refresh_token
            clock.advance(DAY)
        provider.refresh(token)

    @final
    def test_asking_again_does_not_make_a_users_token_last(
        self, provider: IdentityProvider, clock: ManualClock, user: Session
    ) -> None:
        provider.refresh(user.refresh_token)
        clock.advance(30 * DAY - 1)
        again = provider.refresh(user.refresh_token)
        clock.advance(1)
        assert self.refused_refresh(provider, user.refresh_token)
        assert provider.refresh(again.refresh_token).identity == user.identity

    @final
    @pytest.mark.parametrize("used", [0, 1, 3])
    def test_every_answer_is_good_until_one_of_them_is_used(
        self, provider: IdentityProvider, user: Session, used: int
    ) -> None:
        answers = [provider.refresh(user.refresh_token).refresh_token for _ in range(4)]
        assert len(set(answers)) == 4
        newer = provider.refresh(answers.pop(used))
        for token in answers:
            assert self.refused_refresh(provider, token)
        assert provider.refresh(newer.refresh_token).identity == user.identity

    @final
    def test_only_the_newest_answers_are_good(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        """Those before are refused for a minute, and the family goes on."""
        guest = provider.guest()
        answers = [
            provider.refresh(guest.refresh_token).refresh_token for _ in range(_SUCCESSORS + 2)
        ]
        for seconds in (0, MINUTE):
            clock.advance(seconds)
            for token in answers[:2]:
                assert self.refused_refresh(provider, token)
        assert provider.refresh(answers[2]).identity == guest.identity

    @final
    def test_an_answer_that_was_not_taken_is_refused_and_after_a_minute_ends_the_family(
        self, provider: IdentityProvider, clock: ManualClock, user: Session, login: str
    ) -> None:
        elsewhere = provider.sign_in(login, PASSWORD)
        second, taken = (provider.refresh(user.refresh_token).refresh_token for _ in range(2))
        clock.advance(DAY)
        newer = provider.refresh(taken).refresh_token
        for seconds in (0, MINUTE):
            clock.advance(seconds)
            assert self.refused_refresh(provider, second)
            newer = provider.refresh(newer).refresh_token
        clock.advance(1)
        assert self.refused_refresh(provider, second)
        assert self.refused_refresh(provider, newer)
        assert provider.refresh(elsewhere.refresh_token).identity == user.identity

    # Stolen copies

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
    @pytest.mark.parametrize("used", [0, 1, 3])
    def test_a_token_that_was_asked_again_ends_the_family_once_any_answer_was_used(
        self, provider: IdentityProvider, user: Session, used: int
    ) -> None:
        answers = [provider.refresh(user.refresh_token).refresh_token for _ in range(4)]
        newest = provider.refresh(answers[used]).refresh_token
        assert self.refused_refresh(provider, user.refresh_token)
        assert self.refused_refresh(provider, newest)

    @final
    @pytest.mark.parametrize("goes_on", [False, True])
    def test_a_token_that_a_thief_has_pushed_out_ends_the_family_after_a_minute(
        self,
        provider: IdentityProvider,
        clock: ManualClock,
        user: Session,
        login: str,
        goes_on: bool,
    ) -> None:
        """Who holds a copy of the used token asks until the client's own is not among the
        newest answers, and may go on with one of theirs."""
        elsewhere = provider.sign_in(login, PASSWORD)
        copied = user.refresh_token
        clients = provider.refresh(copied).refresh_token
        clock.advance(DAY)
        thiefs = [provider.refresh(copied).refresh_token for _ in range(_SUCCESSORS)][-1]
        for seconds in (0, MINUTE):
            clock.advance(seconds)
            assert self.refused_refresh(provider, clients)
            if goes_on:
                thiefs = provider.refresh(thiefs).refresh_token
        clock.advance(1)
        assert self.refused_refresh(provider, clients)
        for token in (thiefs, copied):
            assert self.refused_refresh(provider, token)
        assert provider.refresh(elsewhere.refresh_token).identity == user.identity

    @final
    def test_a_token_that_was_pushed_out_is_told_for_30_days(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        copied = provider.guest().refresh_token
        clients = provider.refresh(copied).refresh_token
        clock.advance(40 * DAY)
        newest = [provider.refresh(copied).refresh_token for _ in range(_SUCCESSORS)][-1]
        for _ in range(2):
            clock.advance(15 * DAY)
            newest = provider.refresh(newest).refresh_token
        assert self.refused_refresh(provider, clients)
        assert self.refused_refresh(provider, newest)

    @final
    def test_copies_are_told_for_30_days_from_the_tokens_last_use(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        copied = provider.guest().refresh_token
        provider.refresh(copied)
        clock.advance(40 * DAY)
        newest = provider.refresh(copied).refresh_token
        for _ in range(2):
            clock.advance(15 * DAY)
            newest = provider.refresh(newest).refresh_token
        assert self.refused_refresh(provider, copied)
        assert self.refused_refresh(provider, newest)
