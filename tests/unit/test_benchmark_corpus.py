"""What the benchmarks write: records of a large collection are as those of a small one."""

from __future__ import annotations

from benchmarks.harness.corpus import documents, texts


def test_records_are_as_long_however_many_there_are() -> None:
    known = len(texts(quick=True))
    bodies = [one["body"] for one in documents(3 * known, quick=True)]
    lengths = [len(body.split()) for body in bodies]
    assert lengths[:known] == lengths[known : 2 * known] == lengths[2 * known :]
    assert len(set(bodies)) > 0.95 * len(bodies)  # other words, though


def test_fewer_records_are_the_first_of_more() -> None:
    more = list(documents(500, quick=True))
    assert list(documents(100, quick=True)) == more[:100]
