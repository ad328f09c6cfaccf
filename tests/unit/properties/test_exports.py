"""Whatever is stored can be exported, and imported elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.domain.importing import Tally
from homeport.domain.model.data import Data
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key
from tests.unit.domain.interchange import empty, exported, imported, put, unstamped

NUMBERS = (
    st.integers(-(10**37), 10**37)
    | st.floats(-1e100, 1e100, allow_nan=False).filter(lambda one: one == 0 or abs(one) > 1e-100)
    | st.decimals(-(10**20), 10**20, allow_nan=False, places=15)
    | st.sampled_from([Decimal("1E-130"), Decimal("9.99E+125"), 10**38 - 1, -0.0, 1.0])
)
SCALARS = (
    st.none()
    | st.booleans()
    | NUMBERS
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)
DATA = st.dictionaries(NAMES, VALUES, max_size=5)
SPACES = st.sampled_from(["ann", "ben", "team", "public", "-_.", "x" * 128])
IDS = st.text("aZ09_-", min_size=1, max_size=128)


@settings(max_examples=30, deadline=None)
@given(
    records=st.dictionaries(st.tuples(SPACES, IDS), DATA, max_size=4),
    members=st.dictionaries(
        st.tuples(st.sampled_from(["team", "-_."]), st.sampled_from(["ann", "ben"])),
        st.sampled_from(Role),
    ),
)
def test_an_export_imported_elsewhere_is_the_same_export(
    records: dict[tuple[str, str], dict[str, Any]], members: dict[tuple[str, str], Role]
) -> None:
    source = empty()
    for (space, id), data in records.items():
        source.write([put(space, id, data)])
    for (space, identity), role in members.items():
        source.put_membership(Membership(space, identity, role))
    lines = exported(source)
    target = empty()
    importing = imported(target, lines)
    assert importing.done.records == Tally(created=len(records))
    assert unstamped(exported(target)) == unstamped(lines)
    before = exported(target)
    again = imported(target, lines)
    assert again.done.records == Tally(unchanged=len(records))
    assert exported(target) == before
    for (space, id), data in records.items():
        record = target.get(Key(space, "notes", id))
        assert record is not None
        assert record.data == Data.of(data)
