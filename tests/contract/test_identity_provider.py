"""Every identity provider of ours keeps the contract; and how the embedded one keeps secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw
import jwt
import pytest
from argon2 import PasswordHasher

from homeport.adapters.credentials import access_tokens, passwords
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.identity_provider import EmbeddedIdentityProvider
from homeport.adapters.embedded.identity_provider import _digest as digest
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.system import SystemIds
from homeport.domain import identity as rules
from homeport.domain.errors import Unauthenticated
from homeport.testing import IdentityProviderContract
from homeport.testing.identity_support import DAY, PASSWORD


class Ours(IdentityProviderContract):
    """Both of ours are administered in the same way."""

    def set_groups(
        self,
        provider: MemoryIdentityProvider | EmbeddedIdentityProvider,
        identity: str,
        groups: Iterable[str],
    ) -> None:
        provider.set_groups(identity, groups)


class TestMemoryIdentityProvider(Ours):
    @pytest.fixture
    def provider(self, clock: ManualClock) -> MemoryIdentityProvider:
        return MemoryIdentityProvider(clock, SystemIds())

    @pytest.fixture
    def another(self, clock: ManualClock) -> MemoryIdentityProvider:
        return MemoryIdentityProvider(clock, SystemIds())


class TestEmbeddedIdentityProvider(Ours):
    @pytest.fixture(autouse=True)
    def cheap_hashes(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The rules are the same with hashes that cost little."""
        monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
        monkeypatch.setattr(passwords, "PASSES", 1)
        passwords._hasher.cache_clear()
        passwords._nobodys_hash.cache_clear()
        yield
        passwords._hasher.cache_clear()
        passwords._nobodys_hash.cache_clear()

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def provider(self, database: Database, clock: ManualClock) -> EmbeddedIdentityProvider:
        return EmbeddedIdentityProvider(database, clock, SystemIds())

    @pytest.fixture
    def another(self, tmp_path: Path, clock: ManualClock) -> Iterator[EmbeddedIdentityProvider]:
        database = Database(tmp_path / "another")
        yield EmbeddedIdentityProvider(database, clock, SystemIds())
        database.close()

    def test_sessions_survive_a_restart(self, tmp_path: Path, clock: ManualClock) -> None:
        database = Database(tmp_path / "restarted")
        session = EmbeddedIdentityProvider(database, clock, SystemIds()).guest()
        database.close()
        database = Database(tmp_path / "restarted")
        provider = EmbeddedIdentityProvider(database, clock, SystemIds())
        assert provider.verify(session.access_token).principal == session.identity.principal
        assert provider.refresh(session.refresh_token).identity == session.identity
        database.close()

    def test_no_password_and_no_token_is_kept(
        self, provider: EmbeddedIdentityProvider, database: Database, login: str
    ) -> None:
        provider.sign_up(login, PASSWORD)
        session = provider.sign_in(login, PASSWORD)
        kept = str(database.read("SELECT * FROM identities")) + str(
            database.read("SELECT * FROM refresh_tokens")
        )
        assert login in kept
        for secret in (PASSWORD, session.access_token, session.refresh_token):
            assert secret not in kept

    def test_a_guests_used_tokens_do_not_pile_up(
        self, provider: EmbeddedIdentityProvider, database: Database, clock: ManualClock
    ) -> None:
        session = provider.guest()
        for _ in range(100):
            clock.advance(DAY)
            session = provider.refresh(session.refresh_token)
        ((count,),) = database.read("SELECT count(*) FROM refresh_tokens")
        assert count <= 32

    def test_lost_answers_do_not_pile_up(
        self, provider: EmbeddedIdentityProvider, database: Database, clock: ManualClock
    ) -> None:
        """Those of 30 days are kept, to tell theft by."""
        session = provider.guest()
        for _ in range(100):
            clock.advance(DAY)
            provider.refresh(session.refresh_token)
        ((count,),) = database.read("SELECT count(*) FROM refresh_tokens")
        assert count == 1 + rules.SUCCESSORS + 31

    def test_tokens_that_an_older_version_wrote_go_on(
        self, provider: EmbeddedIdentityProvider, database: Database, clock: ManualClock
    ) -> None:
        """It let a replaced token have one successor, and deleted all that came before."""
        guest = provider.guest()
        first, second = guest.refresh_token, "second"
        now = clock.now()

        def write(connection: apsw.Connection) -> None:
            connection.execute(
                "UPDATE refresh_tokens SET replaced = ?, successor = ?", (now, digest(second))
            )
            connection.execute(
                "INSERT INTO refresh_tokens (hash, identity, family, issued)"
                " SELECT successor, identity, family, replaced FROM refresh_tokens"
            )

        database.write(write)
        clock.advance(DAY)
        provider.refresh(first)
        third = provider.refresh(second).refresh_token
        assert provider.refresh(third).identity == guest.identity
        for token in (first, third):
            with pytest.raises(Unauthenticated):
                provider.refresh(token)

    def test_an_old_hash_is_replaced_at_sign_in(
        self, provider: EmbeddedIdentityProvider, database: Database, login: str
    ) -> None:
        provider.sign_up(login, PASSWORD)
        before = database.read("SELECT password_hash FROM identities")
        passwords.PASSES = 2  # put back by `cheap_hashes`
        passwords._hasher.cache_clear()
        provider.sign_in(login, PASSWORD)
        after = database.read("SELECT password_hash FROM identities")
        assert ",t=1," in before[0][0]
        assert ",t=2," in after[0][0]
        provider.sign_in(login, PASSWORD)
        assert database.read("SELECT password_hash FROM identities") == after

    def test_hashing_is_offloaded_and_the_work_does_not_tell_who_exists(
        self, database: Database, clock: ManualClock, login: str
    ) -> None:
        calls: list[str] = []

        def offload(function: Any, *args: Any) -> Any:
            calls.append(function.__name__)
            return function(*args)

        provider = EmbeddedIdentityProvider(database, clock, SystemIds(), offload=offload)
        provider.sign_up(login, PASSWORD)
        provider.sign_up(login, PASSWORD)
        for name, password in ((login, "wrong password"), ("nobody", PASSWORD), ("x", "y")):
            with pytest.raises(Unauthenticated):
                provider.sign_in(name, password)
        assert calls == ["hash_password"] * 2 + ["check_password"] * 3

    def test_who_is_disabled_while_the_password_is_checked_gets_no_session(
        self, database: Database, clock: ManualClock, login: str
    ) -> None:
        known: list[str] = []

        def offload(function: Any, *args: Any) -> Any:
            for identity in known:
                provider.disable(identity)
            return function(*args)

        provider = EmbeddedIdentityProvider(database, clock, SystemIds(), offload=offload)
        provider.sign_up(login, PASSWORD)
        known.append(provider.sign_in(login, PASSWORD).identity.id)
        with pytest.raises(Unauthenticated) as caught:
            provider.sign_in(login, PASSWORD)
        assert caught.value.detail == "The login or the password is wrong."
        assert database.read("SELECT count(*) FROM refresh_tokens") == [(0,)]

    @pytest.mark.parametrize(
        "change",
        [
            {"iss": "somebody else"},
            {"aud": "another service"},
            {"aud": None},
            {"sub": None},
            {"sub": 7},
            {"exp": None},
            {"exp": "9999999999"},
            {"iat": None},
            {"kind": "root"},
        ],
        ids=str,
    )
    def test_claims_are_checked_even_where_the_signature_is_right(
        self, provider: EmbeddedIdentityProvider, change: dict[str, Any]
    ) -> None:
        claims, key = self.claims_and_key(provider)
        claims = {name: one for name, one in {**claims, **change}.items() if one is not None}
        if change.get("sub") == 7:
            forged = jwt.PyJWS().encode(
                json.dumps(claims).encode(), key, "HS256", headers={"typ": access_tokens.TYPE}
            )
        else:
            forged = jwt.encode(claims, key, "HS256", headers={"typ": access_tokens.TYPE})
        with pytest.raises(Unauthenticated):
            provider.verify(forged)

    @pytest.mark.parametrize(("algorithm", "typ"), [("HS384", "at+jwt"), ("HS256", "JWT")])
    @pytest.mark.filterwarnings("ignore:The HMAC key")
    def test_algorithm_and_type_are_pinned(
        self, provider: EmbeddedIdentityProvider, algorithm: str, typ: str
    ) -> None:
        claims, key = self.claims_and_key(provider)
        with pytest.raises(Unauthenticated):
            provider.verify(jwt.encode(claims, key, algorithm, headers={"typ": typ}))
        provider.verify(jwt.encode(claims, key, "HS256", headers={"typ": "at+jwt"}))

    def test_an_unsigned_token_is_refused(self, provider: EmbeddedIdentityProvider) -> None:
        _, claims, signature = provider.guest().access_token.split(".")
        for algorithm in ("none", "None", "NONE"):
            header = {"alg": algorithm, "typ": access_tokens.TYPE}
            first = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
            for last in ("", signature):
                with pytest.raises(Unauthenticated):
                    provider.verify(f"{first}.{claims}.{last}")

    @staticmethod
    def claims_and_key(provider: EmbeddedIdentityProvider) -> tuple[dict[str, Any], bytes]:
        token = provider.guest().access_token
        claims = jwt.decode(token, options={"verify_signature": False})
        key = provider._access_tokens._keys.current().secret
        assert len(key) == 32
        return claims, key


def test_real_hashes_follow_owasp() -> None:
    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    hashed = passwords.hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert not hasher.check_needs_rehash(hashed)
    assert passwords.check_password(hashed, PASSWORD) == (True, None)
    assert passwords.check_password(hashed, "wrong password") == (False, None)
    assert passwords.check_password(None, "nobody's password") == (False, None)
