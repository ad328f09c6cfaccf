"""Following changes: the rule by itself, against stores that a test writes by hand."""

from __future__ import annotations

import pytest

from homeport.domain import errors
from homeport.domain.checkpoints import Checkpoint, from_text, pull, to_text
from homeport.domain.model.membership import Role
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Guard
from homeport.domain.ports.record_store import ChangePage


class Log:
    """Only what `pull` asks of a store: rows by hand, and a horizon that the test sets."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.horizon = 0
        self.reads: list[tuple[object, ...]] = []

    def appear(self, version: int, id: str | None = None) -> None:
        key = Key("s", "c", id or f"r{version}")
        self.rows = [one for one in self.rows if one.key != key]
        self.rows.append(Record(key, "ann", version, version, None))
        self.rows.sort(key=lambda one: one.position)

    def changes(
        self,
        space: str,
        collection: str | None,
        after: Position,
        limit: int,
        through: int | None = None,
        guard: Guard | None = None,
        besides: frozenset[str] = frozenset(),
    ) -> ChangePage:
        self.reads.append((space, collection, guard, besides))
        end = 1 << 63 if through is None else through
        found = [one for one in self.rows if one.position > after and one.version <= end]
        return ChangePage(tuple(found[:limit]), self.horizon, len(found) > limit)


def versions(log: Log, checkpoint: Checkpoint, limit: int = 10) -> tuple[list[int], Checkpoint]:
    pulled = pull(log, "s", "c", checkpoint, limit)  # type: ignore[arg-type] # what pull asks for
    return [one.version for one in pulled.records], pulled.checkpoint


def test_an_exact_store_is_read_once() -> None:
    log = Log()
    for version in (10, 20, 30):
        log.appear(version)
    log.horizon = 30
    seen, at = versions(log, Checkpoint())
    assert seen == [10, 20, 30]
    assert at.safe == at.seen
    assert versions(log, at)[0] == []
    assert len(log.reads) == 2


def test_a_late_commit_is_found_once_the_horizon_has_passed() -> None:
    log = Log()
    log.appear(10)
    log.appear(30)
    log.horizon = 5
    seen, at = versions(log, Checkpoint())
    assert seen == [10, 30]
    log.appear(20)  # stamped before the pull, committed after it
    log.horizon = 25
    seen, at = versions(log, at)
    assert seen == []  # what is still uncertain is read again only when all of it is certain
    log.horizon = 26
    seen, at = versions(log, at)
    assert seen == []
    log.horizon = 30
    seen, at = versions(log, at)
    assert seen == [10, 20, 30]
    assert versions(log, at)[0] == []


def test_new_rows_do_not_wait_for_the_look_back() -> None:
    log = Log()
    log.appear(30)
    log.horizon = 5
    _, at = versions(log, Checkpoint())
    log.appear(40)
    log.horizon = 10
    assert versions(log, at)[0] == [40]


def test_a_page_that_ends_inside_the_look_back_goes_on_there() -> None:
    log = Log()
    for version in (10, 20, 30):
        log.appear(version)
    _, at = versions(log, Checkpoint())
    log.appear(15)
    log.appear(40)
    log.horizon = 35
    pulled = pull(log, "s", "c", at, 2)  # type: ignore[arg-type] # what pull asks for
    assert [one.version for one in pulled.records] == [10, 15]
    assert pulled.more
    seen, at = versions(log, pulled.checkpoint)
    assert seen == [20, 30, 40]


def test_a_look_back_over_several_pages_repeats_nothing() -> None:
    log = Log()
    for version in (10, 20, 30):
        log.appear(version)
    _, at = versions(log, Checkpoint())
    log.appear(15)
    log.horizon = 35
    seen, at = versions(log, at, 3)
    assert seen == [10, 15, 20]
    seen, at = versions(log, at, 3)
    assert seen == [30]


def test_what_is_still_uncertain_is_not_part_of_the_look_back() -> None:
    log = Log()
    for version in (10, 30):
        log.appear(version)
    log.horizon = 5
    _, at = versions(log, Checkpoint())
    log.appear(40)
    log.horizon = 10
    _, at = versions(log, at)
    log.horizon = 32
    seen, at = versions(log, at)
    assert seen == [10, 30]
    log.horizon = 40
    assert versions(log, at)[0] == [40]


def test_the_very_first_version_after_the_horizon_may_still_come() -> None:
    log = Log()
    log.appear(10)
    log.horizon = 5
    _, at = versions(log, Checkpoint())
    log.appear(6)
    log.horizon = 10
    assert versions(log, at)[0] == [6, 10]


def test_a_page_holds_no_more_than_asked_for_and_says_whether_more_is_waiting() -> None:
    log = Log()
    for version in (10, 20):
        log.appear(version)
    _, at = versions(log, Checkpoint())
    log.horizon = 20
    for version in (30, 40):
        log.appear(version)
    found = []
    for _ in range(3):
        pulled = pull(log, "s", "c", at, 3)  # type: ignore[arg-type] # what pull asks for
        at = pulled.checkpoint
        found.append(([one.version for one in pulled.records], pulled.more))
    assert found == [([10, 20, 30], True), ([40], False), ([], False)]


@pytest.mark.parametrize("horizon", [5, 40])
def test_more_is_said_wherever_the_horizon_is(horizon: int) -> None:
    log = Log()
    log.appear(10)
    log.horizon = 5
    _, at = versions(log, Checkpoint())
    for version in (20, 30, 40):
        log.appear(version)
    log.horizon = horizon
    pulled = pull(log, "s", "c", at, 2)  # type: ignore[arg-type] # what pull asks for
    assert pulled.more is True
    pulled = pull(log, "s", "c", at, 10)  # type: ignore[arg-type] # what pull asks for
    assert pulled.more is False


def test_every_read_is_of_what_was_asked_for_under_the_guard() -> None:
    log = Log()
    log.appear(10)
    _, at = versions(log, Checkpoint())
    log.reads.clear()
    log.horizon = 10
    guard, besides = Guard("s", "ann", frozenset({Role.OWNER})), frozenset({"keys"})
    pull(log, "s", "c", at, 10, guard, besides)  # type: ignore[arg-type] # what pull asks for
    assert log.reads == [("s", "c", guard, besides)] * 2


def test_a_client_keeps_a_checkpoint_as_text() -> None:
    at = Checkpoint(Position(30, "c", "r30"), Position(10, "c", "r10"), 30)
    text = to_text(at, "s", None, 1_000_000)
    assert from_text(text, "s", None, 2_000_000) == at


def test_a_text_of_another_space_or_a_damaged_one_is_refused() -> None:
    text = to_text(Checkpoint(), "s", "c", 0)
    for space, collection, tried in (
        ("t", "c", text),
        ("s", None, text),
        ("s", "c", text[:-3]),
        ("s", "c", ""),
        ("s", "c", "\u00e9"),
    ):
        with pytest.raises(errors.Invalid) as caught:
            from_text(tried, space, collection, 0)
        assert [one.pointer for one in caught.value.faults] == ["since"]


def test_a_text_older_than_tombstones_are_kept_is_gone() -> None:
    text = to_text(Checkpoint(), "s", None, 0)
    month = 30 * 24 * 3600 * 1_000_000
    assert from_text(text, "s", None, month) == Checkpoint()
    with pytest.raises(errors.Gone):
        from_text(text, "s", None, month + 1)
