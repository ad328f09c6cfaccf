"""Tables of cases that one test goes through, since an item of its own costs pytest a
millisecond. All cases are tried, and a failure tells of each that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

from homeport.domain.errors import Fault, Invalid

Case = TypeVar("Case")


def check(attempt: Callable[[Case], object], table: Iterable[tuple[Case, object]]) -> None:
    """`attempt` of each case comes to what stands beside it, and is of the same type."""
    __tracebackhide__ = True
    tried, wrong, cause = 0, list[str](), None
    for case, expected in table:
        tried += 1
        found: object
        try:
            found = attempt(case)
        except (Exception, pytest.fail.Exception) as exc:  # noqa: BLE001  # it is told below
            found = cause = exc
        if type(found) is not type(expected) or found != expected:
            wrong.append(f"{case!r:.300} gives {found!r:.900}, not {expected!r:.300}")
    assert tried, "the table is empty"
    if wrong:
        told = "\n".join([f"{len(wrong)} of {tried} cases:", *wrong])
        raise AssertionError(told) from cause


def check_each(
    attempt: Callable[[Case], object], cases: Iterable[Case], expected: object = None
) -> None:
    """`attempt` of every case comes to the same: by default to None, as what only asserts does."""
    __tracebackhide__ = True
    check(attempt, ((case, expected) for case in cases))


def faults(attempt: Callable[[Case], object]) -> Callable[[Case], list[Fault]]:
    """What the refusal of a case says is wrong; a case that is not refused fails."""

    def told(case: Case) -> list[Fault]:
        with pytest.raises(Invalid) as refused:
            attempt(case)
        return list(refused.value.faults)

    return told


def pointers(attempt: Callable[[Case], object]) -> Callable[[Case], list[str]]:
    """Where the refusal of a case says that it is wrong."""
    tell = faults(attempt)
    return lambda case: [fault.pointer for fault in tell(case)]
