"""Signs people in and says who a token belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from homeport.domain.model.identity import Identity, Session, VerifiedToken


@dataclass(frozen=True, slots=True)
class IdentityPage:
    """`cursor` is None on the last page; before that a page may hold fewer than asked for."""

    identities: tuple[Identity, ...]
    cursor: str | None


class IdentityProvider(Protocol):
    """Guests and password accounts. An identity's id never changes and is never reused.

    `find_login`, `list`, `disable` and `enable` are for operators: no request calls them. They
    raise Unavailable where the provider does not answer.
    """

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
        """A new session of the same identity, with a refresh token to go on with. Raises
        Unauthenticated.

        Who never got the answer asks again, at any time: a token stays good until one that it
        brought is used. Of those that it brought the newest 8 are good, until one of them is
        used. From then on the token ends all that came of one sign-in when it comes back, since
        somebody has a copy. So does one that it brought and that is good no longer, since
        another was used or 8 newer came; but for a minute that is refused and no more, since
        clients may ask twice at once. Tokens are remembered for 30 days from their last use,
        those that were never used from when they ceased to be good.
        """
        ...

    def verify(self, access_token: str) -> VerifiedToken:
        """Who the token belongs to. Raises Unauthenticated for one that is malformed, forged,
        another issuer's or expired, and Unavailable where that cannot be told now."""
        ...

    def find(self, identity: str) -> Identity | None:
        """The identity with this id."""
        ...

    def find_login(self, login: str) -> Identity | None:
        """The account with this login, however it is spelt; None also for what is no login."""
        ...

    def list(self, limit: int, cursor: str | None = None) -> IdentityPage:
        """Up to `limit` (1 to 60) identities, guests and disabled ones included, from the
        beginning or from where another page's `cursor` says.

        The order is the provider's own and does not change: whoever is there from the first
        page to the last is in exactly one of them, whoever appears meanwhile in one at most.
        Raises Invalid for a limit out of range and for a cursor that is none of its own.
        """
        ...

    def disable(self, identity: str) -> None:
        """Let this identity neither sign in nor refresh, and end all its refresh tokens for
        good. When it returns, that holds for every request that comes later.

        Access tokens that are out may stay good until they expire, 15 minutes at most. Nothing
        happens to one that is disabled. Raises NotFound for an id that nobody has.
        """
        ...

    def enable(self, identity: str) -> None:
        """Let this identity sign in again. Refresh tokens that `disable` ended stay so: a
        guest, who has no password, does not come back. Nothing happens to one that is not
        disabled. Raises NotFound for an id that nobody has.
        """
        ...
