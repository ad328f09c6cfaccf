"""The limits of credentials, lists of identities, and OAuth's codes for what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain import identity
from homeport.domain.errors import Invalid, Unauthenticated
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.opaque import digest, seal
from tests.unit.domain.tables import check, check_each, pointers


def test_each_refusal_has_the_code_of_oauth() -> None:
    table: list[tuple[Callable[[], Unauthenticated], str]] = [
        (identity.wrong_credentials, "invalid_grant"),
        (identity.bad_refresh_token, "invalid_grant"),
        (identity.bad_access_token, "invalid_token"),
        (identity.expired_access_token, "invalid_token"),
    ]
    check(lambda error: error().reason, table)


def test_so_has_an_identity_that_is_gone() -> None:
    provider = MemoryIdentityProvider(ManualClock(), SequentialIds())
    with pytest.raises(Unauthenticated) as caught:
        identity.Identities(provider).get(Principal("nobody", Kind.GUEST))
    assert caught.value.reason == "invalid_token"


def test_an_expired_access_token_is_told_from_a_bad_one() -> None:
    assert identity.expired_access_token().detail == identity.EXPIRED
    assert identity.bad_access_token().detail != identity.EXPIRED


def test_the_shortest_and_the_longest_credentials() -> None:
    for login in ("abc", "x" * 128):
        assert identity.normalize_login(login) == login
    for password in ("12345678", "x" * 1024):
        assert identity.normalize_password(password) == password
    # Four characters that make up one, as many as can.
    assert identity.normalize_password("\u03b1\u0313\u0300\u0345" * 1024) == "\u1f82" * 1024


def test_an_account_is_looked_for_by_its_normal_login() -> None:
    assert identity.find_account("ANN") == "ann"
    assert identity.find_account("no login") is None
    assert not identity.no_such_identity().faults


class TestPagesOfIdentities:
    def test_go_on_after_the_last_id(self) -> None:
        assert identity.start_of_page(1, None) == ""
        assert identity.start_of_page(60, identity.cursor_after("ann")) == "ann"

    @pytest.mark.parametrize("limit", [0, 61])
    def test_hold_1_to_60(self, limit: int) -> None:
        with pytest.raises(Invalid) as caught:
            identity.start_of_page(limit, None)
        assert [one.pointer for one in caught.value.faults] == ["limit"]

    def test_take_no_other_cursor(self) -> None:
        check_each(
            pointers(partial(identity.start_of_page, 1)),
            ["", "ann", seal(digest("page", "ann"), ["ann"])],
            ["cursor"],
        )
