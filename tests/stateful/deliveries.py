"""What the machines of the change feed and of the message queue share: retries, crashes, and
dead letters, which are compared by what they tell, since their ids are each adapter's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from hypothesis import strategies as st

from homeport.domain.ports.deliveries import DeadLetter, Retry

RETRY: Final = Retry(attempts=3, first_wait=2.0, longest_wait=3.0)
LONG: Final = 1_000
"""Bounds what is delivered in one step."""

How: TypeAlias = Literal["told", "raised"]
"""A failure is told in the answer, or raised; then each delivery goes alone."""

hows = st.sampled_from(("told", "told", "raised"))
batches = st.sampled_from((1, 2, 3, 100))
places = st.lists(st.integers(0, 3), min_size=1, max_size=3)
"""Which dead letters, the oldest being 0. One that is not there is asked for by an unknown id."""
moves = st.sampled_from((0.5, 1.0, 2.0, 3.0, 60.0))
UNKNOWN: Final = ("none", "999999", "9" * 30, "-1")


class Broken(Exception):
    """Work that fails."""


class Crash(BaseException):
    """The process dies."""


def in_order(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Of those that died at one moment, which comes first is the adapter's own affair."""
    return sorted(letters, key=lambda one: (one.died, told(one)))


def told(letter: DeadLetter) -> tuple[object, ...]:
    """A letter without its id."""
    try:
        body = json.dumps(json.loads(letter.body), sort_keys=True)
    except ValueError:
        body = letter.body
    return letter.source, body, letter.cause, letter.attempts, letter.died


def ids_at(letters: Sequence[DeadLetter], places: Sequence[int]) -> list[str]:
    """The ids of the letters at these places."""
    known = [one.id for one in in_order(letters)]
    return [(known[place : place + 1] or [UNKNOWN[place]])[0] for place in places]


def all_told(letters: Sequence[DeadLetter]) -> object:
    """What can be compared of a list of dead letters."""
    return [one.died for one in letters], [told(one) for one in in_order(letters)]
