"""What OpenSearch's counts become, without a server."""

from __future__ import annotations

from homeport.adapters.opensearch.facets import counted
from homeport.domain.dates import format_date, parse_date
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import Extent


def test_rounded_ends_are_dates() -> None:
    first, last = parse_date("0001-01-01T00:00:00Z"), parse_date("9999-12-31T23:59:59.999999Z")
    assert first is not None
    assert last is not None
    found = {"count": 2, "min": float(first.start) - 8, "max": float(last.start)}
    assert found["max"] > last.start
    ends = counted(Extent(FieldRole.DATE, "when"), found)
    assert [format_date(int(one.value)) for one in ends] == [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ]
