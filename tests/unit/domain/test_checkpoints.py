"""Following changes: the rule by itself, against stores that a test writes by hand."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Final

import pytest

from homeport.domain import errors, limits
from homeport.domain.checkpoints import (
    EVERYTHING,
    START,
    Checkpoint,
    Pull,
    Shown,
    from_text,
    pull,
    to_text,
)
from homeport.domain.model.membership import Role
from homeport.domain.model.opaque import digest, seal
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.versions import stamp
from homeport.domain.model.writes import Guard
from homeport.domain.ports.record_store import ChangePage

NOW: Final = 1_800_000_000_000_000
GOOD_FOR: Final = (limits.RETENTION_SECONDS - 60) * 1_000_000


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
    at = Checkpoint(Position(30, "c", "r30"), Position(10, "c", "r10"), 30, NOW)
    text = to_text(Pull((), at, False), "s", None, EVERYTHING, NOW + 1)
    assert from_text(text, "s", None, EVERYTHING, NOW + 2) == at


def test_a_text_of_another_space_or_a_damaged_one_is_refused() -> None:
    text = sealed("c")
    for space, collection, tried in (
        ("t", "c", text),
        ("s", None, text),
        ("s", "c", text[:-3]),
        ("s", "c", ""),
        ("s", "c", "\u00e9"),
    ):
        with pytest.raises(errors.Invalid) as caught:
            from_text(tried, space, collection, EVERYTHING, NOW)
        assert [one.pointer for one in caught.value.faults] == ["since"]


def test_a_text_about_as_old_as_tombstones_are_kept_is_gone() -> None:
    text = sealed(None)
    assert from_text(text, "s", None, EVERYTHING, NOW + GOOD_FOR) == Checkpoint(at=NOW)
    with pytest.raises(errors.Gone):
        from_text(text, "s", None, EVERYTHING, NOW + GOOD_FOR + 1)


@pytest.mark.parametrize("safe", [START, Position(7)])
@pytest.mark.parametrize("more", [True, False])
def test_the_time_moves_on_only_where_nothing_waits(safe: Position, more: bool) -> None:
    at = Checkpoint(Position(7), safe, 7, NOW)
    later = NOW + 1_000_000
    text = to_text(Pull((), at, more), "s", None, EVERYTHING, later)
    known = from_text(text, "s", None, EVERYTHING, later)
    assert known.at == (later if not more and safe == at.seen else NOW)


def test_who_moves_on_slowly_is_not_gone_for_the_time_they_began() -> None:
    place = Position(stamp(NOW + GOOD_FOR, 0))
    at = Checkpoint(place, place, place.version, NOW)
    text = to_text(Pull((), at, True), "s", None, EVERYTHING, NOW)
    end = NOW + 2 * GOOD_FOR
    assert from_text(text, "s", None, EVERYTHING, end) == at
    with pytest.raises(errors.Gone):
        from_text(text, "s", None, EVERYTHING, end + 1)


def test_a_text_of_the_first_form_is_as_good_as_its_place_is_new() -> None:
    place = Position(stamp(NOW, 0), "c", "r")
    pulled = NOW + 10_000_000
    text = seal(digest("changes", "s", "c"), [*place, *place, place.version, pulled])
    known = from_text(text, "s", "c", EVERYTHING, NOW + GOOD_FOR)
    assert known == Checkpoint(place, place, place.version)
    with pytest.raises(errors.Gone):
        from_text(text, "s", "c", EVERYTHING, NOW + GOOD_FOR + 1)


def test_a_text_of_the_first_form_says_too_little_of_a_whole_space() -> None:
    place = Position(stamp(NOW, 0), "c", "r")
    text = seal(digest("changes", "s", None), [*place, *place, place.version, NOW])
    with pytest.raises(errors.Gone):
        from_text(text, "s", None, EVERYTHING, NOW)


@pytest.mark.parametrize(
    ("before", "shown", "gone"),
    [
        (EVERYTHING, EVERYTHING, False),
        (EVERYTHING, Shown.all_but(["a"]), False),
        (EVERYTHING, Shown.only(["a"]), False),
        (Shown.all_but(["a"]), EVERYTHING, True),
        (Shown.all_but(["a"]), Shown.all_but(["a"]), False),
        (Shown.all_but(["a"]), Shown.all_but(["a", "b"]), False),
        (Shown.all_but(["a", "b"]), Shown.all_but(["b"]), True),
        (Shown.all_but(["a"]), Shown.all_but(["b"]), True),
        (Shown.all_but(["a"]), Shown.only(["b"]), False),
        (Shown.all_but(["a"]), Shown.only(["a", "b"]), True),
        (Shown.only(["a"]), EVERYTHING, True),
        (Shown.only(["a"]), Shown.all_but(["b"]), True),
        (Shown.only(["a"]), Shown.only(["a"]), False),
        (Shown.only(["a"]), Shown.only(["a", "b"]), True),
        (Shown.only(["a", "b"]), Shown.only(["b"]), False),
    ],
)
def test_who_is_shown_more_than_before_starts_over(before: Shown, shown: Shown, gone: bool) -> None:
    text = to_text(Pull((), Checkpoint(), False), "s", None, before, NOW)
    if gone:
        with pytest.raises(errors.Gone):
            from_text(text, "s", None, shown, NOW)
    else:
        assert from_text(text, "s", None, shown, NOW) == Checkpoint(at=NOW)


def test_a_text_names_no_collections_and_is_short() -> None:
    text = to_text(Pull((), Checkpoint(), False), "s", None, Shown.all_but(["audit"]), NOW)
    assert b"audit" not in urlsafe_b64decode(text + "==")
    many = Shown.all_but(f"c{n}" for n in range(100))
    assert len(to_text(Pull((), Checkpoint(), False), "s", None, many, NOW)) < 1_300


def sealed(collection: str | None) -> str:
    return to_text(Pull((), Checkpoint(), False), "s", collection, EVERYTHING, NOW)
