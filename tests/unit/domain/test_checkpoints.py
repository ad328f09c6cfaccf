"""Following changes: the rule by itself, against stores that a test writes by hand."""

from __future__ import annotations

import pytest

from homeport.domain import errors
from homeport.domain.checkpoints import Checkpoint, from_text, pull, to_text
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Guard
from homeport.domain.ports.record_store import ChangePage


class Log:
    """Only what `pull` asks of a store: rows by hand, and a horizon that the test sets."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.horizon = 0

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
        with pytest.raises(errors.Invalid):
            from_text(tried, space, collection, 0)


def test_a_text_older_than_tombstones_are_kept_is_gone() -> None:
    text = to_text(Checkpoint(), "s", None, 0)
    month = 30 * 24 * 3600 * 1_000_000
    assert from_text(text, "s", None, month) == Checkpoint()
    with pytest.raises(errors.Gone):
        from_text(text, "s", None, month + 1)
