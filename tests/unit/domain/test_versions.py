"""Versions: stamps inside, opaque sortable text outside."""

from __future__ import annotations

from homeport.domain.model import versions
from tests.unit.domain.tables import check, check_each


def test_a_stamp_holds_the_time_and_the_tail() -> None:
    now = versions.EPOCH + 123_456_789
    stamp = versions.stamp(now, 0xABC)
    assert versions.time_of(stamp) == now
    assert stamp & 0xFFF == 0xABC


def test_stamps_sort_by_time_before_the_tail() -> None:
    now = versions.EPOCH + 1
    assert versions.stamp(now, 0xFFF) < versions.stamp(now + 1, 0)
    assert versions.earliest(now) <= versions.stamp(now, 0) < versions.stamp(now, 1)
    assert versions.stamp(now, 0) > versions.NEVER


def test_stamps_last_until_2096() -> None:
    end_of_2095 = 3_976_214_400_000_000
    assert versions.stamp(end_of_2095, 0xFFF) < 1 << 63


def test_text_leads_back() -> None:
    def there_and_back(version: int) -> int | None:
        text = versions.to_text(version)
        assert len(text) == versions.TEXT_LENGTH
        return versions.from_text(text)

    check(there_and_back, [(version, version) for version in [0, 1, 255, 1 << 40, (1 << 63) - 1]])


def test_texts_sort_as_versions_do() -> None:
    numbers = [0, 9, 10, 255, 256, 1 << 32, (1 << 63) - 1]
    assert sorted(map(versions.to_text, numbers)) == [versions.to_text(one) for one in numbers]


def test_what_is_none_of_ours_leads_nowhere() -> None:
    check_each(
        versions.from_text,
        [
            "",
            "0",
            "0" * 15,
            "0" * 17,
            "00000000000000ZZ",
            "00000000000000AB",
            "8" + "0" * 15,
            "f" * 16,
            " " * 16,
            "-000000000000001",
            "0x00000000000001",
            "000000000_000001",
            "\u0660" * 16,
        ],
        None,
    )


def test_the_earliest_stamp_of_a_moment_has_an_empty_tail() -> None:
    now = versions.EPOCH + 123_456_789
    assert versions.earliest(now) == versions.stamp(now, 0)
