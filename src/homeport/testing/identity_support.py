"""What the parts of the identity provider's contract share."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Unauthenticated
from homeport.domain.model.identity import Session
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.testing.contract import Contract

PASSWORD: Final = "correct horse battery"
MINUTE: Final = 60
DAY: Final = 24 * 60 * MINUTE


class IdentitySupport(Contract):
    """Fixtures, and what a provider's author overrides."""

    administers: ClassVar[bool] = True

    @pytest.fixture
    def provider(self, clock: ManualClock) -> Iterator[IdentityProvider]:
        raise self.missing("provider")

    @pytest.fixture
    def another(self, clock: ManualClock) -> Iterator[IdentityProvider]:
        raise self.missing("another")

    def set_groups(self, provider: Any, identity: str, groups: Iterable[str]) -> None:
        """Put this identity in these groups."""
        raise NotImplementedError("Override `set_groups`, or set `administers` to False.")

    @pytest.fixture
    def login(self) -> str:
        """A login that nobody has."""
        return f"{uuid.uuid4().hex}@example.org"

    @pytest.fixture
    def user(self, provider: IdentityProvider, login: str) -> Session:
        """Somebody who has just signed up and in."""
        provider.sign_up(login, PASSWORD)
        self.settle()
        return provider.sign_in(login, PASSWORD)

    def refused_refresh(self, provider: IdentityProvider, token: str) -> bool:
        try:
            provider.refresh(token)
        except Unauthenticated as exc:
            return exc.reason == "invalid_grant"
        return False
