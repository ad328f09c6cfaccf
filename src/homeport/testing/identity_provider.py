"""The contract of the identity provider: guests, accounts, access tokens; and the whole of it."""

from __future__ import annotations

import uuid
from typing import final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Invalid, Unauthenticated
from homeport.domain.model.identity import Kind, Session
from homeport.domain.model.names import check_id
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.testing.identity_administration import AdministrationContract
from homeport.testing.identity_refreshing import RefreshingContract
from homeport.testing.identity_support import MINUTE, PASSWORD


class IdentityProviderContract(AdministrationContract, RefreshingContract):
    """What `homeport.domain.ports.identity_provider.IdentityProvider` promises.

    Override the fixtures `provider` and `another`, a second provider that knows nothing of the
    first. Hand both the fixture `clock`. Override `set_groups`, or set `administers` to False
    where a test cannot.
    """

    # Guests

    @final
    def test_a_guest_is_somebody_new(self, provider: IdentityProvider, clock: ManualClock) -> None:
        first, second = provider.guest(), provider.guest()
        assert first.identity.id != second.identity.id
        assert first.identity.kind is Kind.GUEST
        assert first.identity.login == ""
        assert first.identity.created == clock.now()
        assert not first.identity.disabled
        assert check_id("identity", first.identity.id) not in {"me", "operator", "public"}
        tokens = {
            first.access_token,
            second.access_token,
            first.refresh_token,
            second.refresh_token,
        }
        assert len(tokens) == 4

    @final
    def test_an_access_token_says_who(self, provider: IdentityProvider, clock: ManualClock) -> None:
        session = provider.guest()
        verified = provider.verify(session.access_token)
        assert verified.principal == session.identity.principal
        assert verified.expires == clock.now() // 1_000_000 + session.expires_in

    @final
    def test_an_identity_is_found_by_its_id(self, provider: IdentityProvider) -> None:
        session = provider.guest()
        self.settle()
        assert provider.find(session.identity.id) == session.identity

    @final
    def test_who_is_not_there_is_not_found(self, provider: IdentityProvider) -> None:
        provider.guest()
        self.settle()
        assert provider.find("nobody") is None
        assert provider.find("") is None

    # Accounts

    @final
    def test_a_user_keeps_one_id(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        again = provider.sign_in(login, PASSWORD)
        assert again.identity == user.identity
        assert again.identity.kind is Kind.USER
        assert again.refresh_token != user.refresh_token
        assert provider.verify(again.access_token).principal.id == user.identity.id
        assert provider.find(user.identity.id) == user.identity

    @final
    def test_a_login_is_the_same_however_it_is_spelt(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        wide = "".join(chr(ord(char) + 0xFEE0) for char in login)
        for spelling in (login.upper(), wide):
            assert provider.sign_in(spelling, PASSWORD).identity.id == user.identity.id

    @final
    def test_a_password_is_the_same_however_unicode_spells_it(
        self, provider: IdentityProvider, login: str
    ) -> None:
        provider.sign_up(login, "stra\u00dfencaf\u00e9")
        self.settle()
        assert provider.sign_in(login, "stra\u00dfencafe\u0301").identity.login == login
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, "Stra\u00dfencaf\u00e9")

    @final
    def test_signing_up_twice_changes_nothing_and_says_nothing(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        provider.sign_up(login.upper(), "another password")
        self.settle()
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, "another password")
        assert provider.sign_in(login, PASSWORD).identity == user.identity

    @final
    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("ab", PASSWORD),
            ("x" * 129, PASSWORD),
            ("two words", PASSWORD),
            ("tab\tbed", PASSWORD),
            ("zero\u200bwidth", PASSWORD),
            ("somebody@example.org", "short77"),
            ("somebody@example.org", "x" * 1025),
        ],
    )
    def test_bad_credentials_make_no_account(
        self, provider: IdentityProvider, name: str, password: str
    ) -> None:
        with pytest.raises(Invalid) as caught:
            provider.sign_up(name, password)
        assert caught.value.faults
        with pytest.raises(Unauthenticated):
            provider.sign_in(name, password)

    @final
    def test_the_longest_credentials_make_an_account(self, provider: IdentityProvider) -> None:
        login, password = uuid.uuid4().hex * 4, "ü" * 1024
        provider.sign_up(login, password)
        self.settle()
        assert provider.sign_in(login, password).identity.login == login
        with pytest.raises(Unauthenticated):
            provider.sign_in(login, password[:-1])

    @final
    def test_nothing_tells_why_a_sign_in_was_refused(
        self, provider: IdentityProvider, user: Session, login: str
    ) -> None:
        attempts = [(login, "wrong password"), ("nobody-" + login, PASSWORD), ("x", "y")]
        other = f"other-{login}"
        provider.sign_up(other, PASSWORD)
        self.settle()
        provider.disable(provider.sign_in(other, PASSWORD).identity.id)
        self.settle()
        attempts.append((other, PASSWORD))
        answers = set()
        for name, password in attempts:
            with pytest.raises(Unauthenticated) as caught:
                provider.sign_in(name, password)
            answers.add((caught.value.detail, caught.value.reason))
        assert len(answers) == 1

    # Access tokens

    @final
    def test_an_access_token_ends_after_15_minutes(
        self, provider: IdentityProvider, clock: ManualClock
    ) -> None:
        session = provider.guest()
        assert session.expires_in == 15 * MINUTE
        clock.advance(15 * MINUTE - 1)
        provider.verify(session.access_token)
        clock.advance(1)
        with pytest.raises(Unauthenticated) as caught:
            provider.verify(session.access_token)
        assert caught.value.reason == "invalid_token"

    @final
    def test_a_token_that_was_tampered_with_is_refused(self, provider: IdentityProvider) -> None:
        token = provider.guest().access_token
        # The very last letter of a base64 text may hold bits that mean nothing.
        for place in range(0, len(token) - 1, max(1, len(token) // 25)):
            letter = "A" if token[place] != "A" else "B"
            with pytest.raises(Unauthenticated):
                provider.verify(token[:place] + letter + token[place + 1 :])

    @final
    @pytest.mark.parametrize(
        "token", ["", ".", "..", "a.b.c", "ü", "\ud800", "null", "x" * 100_000, "e30.e30."]
    )
    def test_what_is_no_token_is_refused(self, provider: IdentityProvider, token: str) -> None:
        with pytest.raises(Unauthenticated) as caught:
            provider.verify(token)
        assert caught.value.reason == "invalid_token"
        assert self.refused_refresh(provider, token)

    @final
    def test_a_cut_or_longer_token_is_refused(self, provider: IdentityProvider) -> None:
        token = provider.guest().access_token
        for wrong in (token[:-1], token + "A", token + ".", f" {token}", token + "\n"):
            with pytest.raises(Unauthenticated):
                provider.verify(wrong)

    @final
    def test_anothers_tokens_are_refused(
        self, provider: IdentityProvider, another: IdentityProvider
    ) -> None:
        session = another.guest()
        with pytest.raises(Unauthenticated):
            provider.verify(session.access_token)
        assert self.refused_refresh(provider, session.refresh_token)

    @final
    def test_tokens_serve_one_purpose(self, provider: IdentityProvider) -> None:
        session = provider.guest()
        with pytest.raises(Unauthenticated):
            provider.verify(session.refresh_token)
        assert self.refused_refresh(provider, session.access_token)
