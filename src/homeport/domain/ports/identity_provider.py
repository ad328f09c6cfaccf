"""Signs people in and says who a token belongs to."""

from __future__ import annotations

from typing import Protocol

from homeport.domain.model.identity import Identity, Session, VerifiedToken


class IdentityProvider(Protocol):
    """Guests and password accounts. An identity's id never changes and is never reused."""

    def guest(self) -> Session:
        """A new guest. The refresh token is all that holds a guest to their records."""
        ...

    def sign_up(self, login: str, password: str) -> None:
        """Ask for an account. Nothing tells a login that exists from one that does not: with
        one that does, nothing happens. Raises Invalid for a password that is too weak."""
        ...

    def sign_in(self, login: str, password: str) -> Session:
        """Raises Unauthenticated, in the same words and time, for a login that does not exist,
        a wrong password and a disabled identity."""
        ...

    def refresh(self, refresh_token: str) -> Session:
        """A new session of the same identity. Use the refresh token that it brings: the old
        one is good for one more minute, for who never got the answer. Used again it takes back
        the token that it brought before; where that was used already, or later, it ends all
        that came of one sign-in, since somebody has a copy. Raises Unauthenticated."""
        ...

    def verify(self, access_token: str) -> VerifiedToken:
        """Who the token belongs to. Raises Unauthenticated for one that is malformed, forged,
        another issuer's or expired, and Unavailable where that cannot be told now."""
        ...

    def find(self, identity: str) -> Identity | None:
        """The identity with this id."""
        ...
