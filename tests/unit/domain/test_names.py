"""The alphabets of ids and names."""

from __future__ import annotations

import pytest

from homeport.domain.errors import Invalid
from homeport.domain.model import names


@pytest.mark.parametrize("value", ["a", "A-z_0.9", "-", "_", "9" * 128, "a..b", "a.", "me"])
def test_ids(value: str) -> None:
    assert names.check_id("id", value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        ".a",
        "..",
        "a" * 129,
        "a b",
        "a/b",
        "a#b",
        "ä",
        "a\n",
        "\n",
        "a\x00",
        "a%20",
        "\uff41",
    ],
)
def test_what_is_no_id(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        names.check_id("space", value)
    assert [fault.pointer for fault in refused.value.faults] == ["space"]


@pytest.mark.parametrize("value", ["notes", "a", "9", "_", "a_b", "c" * 64])
def test_collections(value: str) -> None:
    assert names.check_collection(value) == value


@pytest.mark.parametrize(
    "value", ["", "Notes", "a-b", "a.b", "c" * 65, "a b", "a\n", "é", "\u0663"]
)
def test_what_is_no_collection(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        names.check_collection(value)
    assert [fault.pointer for fault in refused.value.faults] == ["collection"]


def test_no_route_leads_to_a_hidden_space() -> None:
    hidden = names.hidden_space("anna")
    assert names.is_hidden(hidden)
    assert not names.is_hidden("anna")
    with pytest.raises(Invalid):
        names.check_id("space", hidden)


def test_reserved_collections_are_names() -> None:
    for name in names.RESERVED:
        assert names.check_collection(name) == name
    assert {names.INBOX, names.SENT} <= names.RESERVED
