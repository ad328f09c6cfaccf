"""Whose request it is that a reverse proxy hands on."""

from __future__ import annotations

import pytest

from homeport.definition import Definition
from homeport.definition.forms import Misfit
from homeport.entrypoints.local.app import settings_of
from homeport.entrypoints.local.proxies import Proxies


@pytest.mark.parametrize(
    ("address", "forwarded", "client"),
    [
        ("9.9.9.9", None, "9.9.9.9"),
        ("9.9.9.9", "1.1.1.1", "9.9.9.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "7.7.7.7, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "7.7.7.7,1.1.1.1 , 10.2.0.3", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.9,10.0.0.8", "10.0.0.9"),
        ("10.0.0.1", "1.1.1.1:5000", "1.1.1.1"),
        ("::1", "[2001:db8::1]:5000", "2001:db8::1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "::ffff:1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
    ],
)
def test_what_stands_left_of_a_stranger_is_not_believed(
    address: str, forwarded: str | None, client: str
) -> None:
    assert Proxies(["10.0.0.0/8", "::1"]).client(address, forwarded) == client


def test_the_definition_names_them() -> None:
    found = Definition.of({"server": {"trusted_proxies": ["10.0.0.0/8"]}})
    assert settings_of(found).proxies == ("10.0.0.0/8",)
    with pytest.raises(Misfit, match=r'"10\.0\.0\.1/8" is no address and no network'):
        Definition.of({"server": {"trusted_proxies": ["10.0.0.1/8"]}})
