"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GUEST = "guest"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity as one request sees it."""

    id: str
    kind: Kind
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity as its provider keeps it. `login` is the account's name, "" for a guest;
    `created` is in microseconds since 1970."""

    id: str
    kind: Kind
    created: int
    login: str = ""
    groups: tuple[str, ...] = ()
    disabled: bool = False

    @property
    def principal(self) -> Principal:
        return Principal(self.id, self.kind, self.groups)


@dataclass(frozen=True, slots=True)
class Session:
    """What signing in gives: OAuth's names, lifetimes in seconds."""

    identity: Identity
    access_token: str
    expires_in: int
    refresh_token: str


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a good access token says. `expires` is in seconds since 1970."""

    principal: Principal
    expires: int
