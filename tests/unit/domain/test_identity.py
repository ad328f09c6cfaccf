"""The rules for credentials, and the identity operations over the memory provider."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain.errors import Unauthenticated
from homeport.domain.identity import (
    Identities,
    credentials,
    normalize_login,
    normalize_password,
)
from homeport.domain.model.identity import Kind, Principal
from tests.unit.domain.tables import check, check_each, pointers


@pytest.fixture
def provider() -> MemoryIdentityProvider:
    return MemoryIdentityProvider(ManualClock(), SequentialIds())


@pytest.fixture
def identities(provider: MemoryIdentityProvider) -> Identities:
    return Identities(provider)


def test_signing_up_in_and_refreshing(identities: Identities) -> None:
    identities.sign_up("Ann@Example.org", "correct horse")
    session = identities.sign_in("ann@example.ORG", "correct horse")
    assert session.identity.login == "ann@example.org"
    assert identities.refresh(session.refresh_token).identity == session.identity
    assert identities.get(session.identity.principal) == session.identity


def test_who_is_gone_or_disabled_is_unauthenticated(
    identities: Identities, provider: MemoryIdentityProvider
) -> None:
    guest = identities.guest().identity
    assert identities.get(guest.principal) == guest
    provider.disable(guest.id)
    for principal in (guest.principal, Principal("nobody", Kind.GUEST)):
        with pytest.raises(Unauthenticated):
            identities.get(principal)


def test_logins_are_compared_in_one_form() -> None:
    table = [
        ("Ann", "ann"),
        ("STRASSE", "strasse"),
        ("Stra\u00dfe", "strasse"),
        ("\uff21\uff4e\uff4e", "ann"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u1e9e\u1e9e", "ssss"),
    ]
    check(normalize_login, table)
    check(normalize_login, [(normal, normal) for _, normal in table])


def test_what_is_no_login() -> None:
    logins = ["", "ab", "x" * 129, "a b", "a\u3000b", "a\nb", "a\ud800b"]
    check_each(pointers(normalize_login), logins, ["/login"])
    check_each(lambda login: credentials(login, "long enough"), logins, None)


def test_what_is_no_password() -> None:
    passwords = ["", "1234567", "x" * 1025, "surrogate\ud800"]
    check_each(pointers(normalize_password), passwords, ["/password"])
    check_each(lambda password: credentials("somebody", password), passwords, None)


def test_a_long_text_is_refused_before_it_is_normalized() -> None:
    # Sorting this text's marks takes minutes.
    marks = "a" + "\u0300" * 200_000 + "\u0316" * 200_000
    assert credentials(marks, "long enough") is None
    assert credentials("somebody", marks) is None


def test_what_several_characters_make_up_counts_once() -> None:
    assert normalize_login("a\u0323\u0302" * 128) == "\u1ead" * 128
    assert normalize_password("a\u0323\u0302" * 1024) == "\u1ead" * 1024


def test_passwords_keep_their_case_and_spaces() -> None:
    assert normalize_password(" Pass Word ") == " Pass Word "
    assert normalize_password("cafe\u0301 cafe\u0301") == "caf\u00e9 caf\u00e9"
