"""What a refresh token is worth after lost answers and stolen copies, in any order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.system import SystemIds
from homeport.domain import identity as rules
from homeport.domain.errors import Unauthenticated


@dataclass(eq=False)
class Token:
    text: str
    parent: Token | None = None
    brought: list[Token] = field(default_factory=list)
    used: int | None = None
    """When it was first used."""
    pushed_out: int | None = None
    """When it ceased to be one of the newest that the same token brought."""


class Family:
    """One guest's tokens, by the words of the port."""

    def __init__(self, first: str) -> None:
        self.tokens = [Token(first)]
        self.ended = False

    def is_good(self, token: Token, now: int) -> bool:
        """Whether it may be used; ends the family where it tells of a copy."""
        if self.ended:
            return False
        if token.used is not None:
            good = all(one.used is None for one in token.brought)
            self.ended = not good
            return good
        siblings = token.parent.brought if token.parent else [token]
        ends = [one.used for one in siblings if one.used is not None]
        if token.pushed_out is not None:
            ends.append(token.pushed_out)
        if not ends:
            return True
        self.ended = min(ends) + rules.REUSE_SECONDS * 1_000_000 < now
        return False

    def use(self, token: Token, now: int, brought: str) -> None:
        token.used = now if token.used is None else token.used
        newer = Token(brought, token)
        token.brought.append(newer)
        for one in token.brought[: -rules.SUCCESSORS]:
            one.pushed_out = now if one.pushed_out is None else one.pushed_out
        self.tokens.append(newer)


# Mostly the newest tokens; seldom as long as copies are remembered.
uses = st.tuples(
    st.integers(0, 9) | st.integers(0, 2), st.sampled_from((0, 1, 60, 61, 24 * 3600)), st.just(1)
) | st.tuples(st.integers(1, 3), st.just(1), st.integers(2, rules.SUCCESSORS + 2))


@given(st.lists(uses, max_size=20))
def test_a_token_is_good_until_one_that_it_brought_is_used(
    history: list[tuple[int, int, int]],
) -> None:
    clock = ManualClock()
    provider = MemoryIdentityProvider(clock, SystemIds())
    guest = provider.guest()
    family = Family(guest.refresh_token)
    for back, seconds, times in history:
        clock.advance(seconds)
        token = family.tokens[-1 - back % len(family.tokens)]
        for _ in range(times):
            good = family.is_good(token, clock.now())
            try:
                session = provider.refresh(token.text)
            except Unauthenticated:
                assert not good
            else:
                assert good
                assert session.identity == guest.identity
                family.use(token, clock.now(), session.refresh_token)


@given(st.lists(st.sampled_from((0, 61, 40 * 24 * 3600)), min_size=1, max_size=12), st.data())
def test_who_goes_on_with_any_answer_that_came_never_loses_a_guest(
    waits: list[int], data: st.DataObject
) -> None:
    """However many answers are lost on the way, and whichever of two that came is kept."""
    clock = ManualClock()
    provider = MemoryIdentityProvider(clock, SystemIds())
    guest = provider.guest()
    token = guest.refresh_token
    for seconds in waits:
        answers = []
        for _ in range(data.draw(st.integers(1, rules.SUCCESSORS))):
            clock.advance(seconds)
            answers.append(provider.refresh(token).refresh_token)
        token = data.draw(st.sampled_from([token, *answers]))
    assert provider.refresh(token).identity == guest.identity
