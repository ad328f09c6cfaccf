"""The alphabets of ids and names."""

from __future__ import annotations

from functools import partial

import pytest

from homeport.domain.errors import Invalid
from homeport.domain.model import names
from tests.unit.domain.tables import check, check_each, pointers


def test_ids() -> None:
    values = ["a", "A-z_0.9", "-", "_", "9" * 128, "a..b", "a.", "me"]
    check(partial(names.check_id, "id"), [(value, value) for value in values])


def test_what_is_no_id() -> None:
    check_each(
        pointers(partial(names.check_id, "space")),
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
        ["space"],
    )


def test_collections() -> None:
    values = ["notes", "a", "9", "_", "a_b", "c" * 64]
    check(names.check_collection, [(value, value) for value in values])


def test_what_is_no_collection() -> None:
    check_each(
        pointers(names.check_collection),
        ["", "Notes", "a-b", "a.b", "c" * 65, "a b", "a\n", "é", "\u0663"],
        ["collection"],
    )


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
