"""Cursors and checkpoints: what a forged one can hold."""

from __future__ import annotations

from typing import Any

from homeport.domain.model.opaque import digest, seal, unseal
from tests.unit.domain.tables import check_each

OF = digest("page", "me")


def test_what_was_sealed_is_unsealed() -> None:
    position = [(1 << 63) - 1, "notes", "é\U0001f600", None]
    assert unseal(OF, seal(OF, position), int, str, str, object) == position


def test_no_store_meets_what_it_cannot_take() -> None:
    def unsealed(case: tuple[Any, type]) -> object:
        part, kind = case
        return unseal(OF, seal(OF, [part]), kind)

    check_each(
        unsealed,
        [
            (1 << 63, int),
            (-(1 << 63) - 1, int),
            (10**400, object),
            ("\ud800", str),
            ("a\udfffb", object),
            (1.0, int),
            (True, int),
            ("1", int),
            (None, str),
            ([], str),
        ],
        None,
    )


def test_anothers_and_what_is_damaged_is_refused() -> None:
    sealed = seal(OF, [1])
    for forged in (seal(digest("page", "you"), [1]), sealed[:-2], "", "é", seal(OF, [1, 2])):
        assert unseal(OF, forged, int) is None


def test_positions_before_1970_lead_back() -> None:
    for place in (-1, -(1 << 63), (1 << 63) - 1):
        assert unseal("of", seal("of", [place]), int) == [place]
    for place in (-(1 << 63) - 1, 1 << 63):
        assert unseal("of", seal("of", [place]), int) is None
