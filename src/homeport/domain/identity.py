"""Who somebody is: signing up and in, and the rules for credentials that every provider keeps."""

from __future__ import annotations

import unicodedata
from typing import Final

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid, NotFound, Unauthenticated
from homeport.domain.model.identity import Identity, Principal, Session
from homeport.domain.model.opaque import digest, seal, unseal
from homeport.domain.ports.identity_provider import IdentityProvider

ACCESS_SECONDS: Final = 15 * 60
"""How long an access token is good."""
REFRESH_SECONDS: Final = 30 * 24 * 3600
"""How long a user's refresh token is good; each use brings a new one. A guest's does not end."""
SUCCESSORS: Final = 8
"""How many of the refresh tokens that one token brought are good at once: the newest."""
REUSE_SECONDS: Final = 60
"""How long a refresh token is refused and no more, once another that the same token brought was
used or took its place: clients may have two at once. Later it ends the whole family."""

EXPIRED: Final = "The access token has expired."
"""The detail by which an expired access token is told from a bad one."""

_UNFOLDED: Final = 4
"""How many characters become one at most. Longer texts are not even normalized: the time that
takes grows with the square of their length, and anybody may send one."""


class Identities:
    """The identity operations. What they raise is in the port's docstrings."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider

    def guest(self) -> Session:
        return self._provider.guest()

    def sign_up(self, login: str, password: str) -> None:
        self._provider.sign_up(login, password)

    def sign_in(self, login: str, password: str) -> Session:
        return self._provider.sign_in(login, password)

    def refresh(self, refresh_token: str) -> Session:
        return self._provider.refresh(refresh_token)

    def get(self, principal: Principal) -> Identity:
        """Who is calling. Raises Unauthenticated where the identity is gone or disabled."""
        identity = self._provider.find(principal.id)
        if identity is None or identity.disabled:
            raise Unauthenticated("This identity is no longer here.", "invalid_token")
        return identity


def normalize_login(login: str) -> str:
    """The login as it is compared: without regard to case or to how Unicode spells it.

    Raises Invalid unless it then has 3 to 128 printable characters without spaces.
    """
    folded = ""
    if len(login) <= _UNFOLDED * limits.LOGIN_MAX:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", login).casefold())
    if not limits.LOGIN_MIN <= len(folded) <= limits.LOGIN_MAX:
        raise _invalid("/login", f"{limits.LOGIN_MIN} to {limits.LOGIN_MAX} characters")
    if not folded.isprintable() or " " in folded:
        raise _invalid("/login", "printable characters without spaces")
    return folded


def normalize_password(password: str) -> str:
    """The password as it is hashed. Raises Invalid unless it has 8 to 1024 characters."""
    normal = ""
    if len(password) <= _UNFOLDED * limits.PASSWORD_MAX:
        normal = unicodedata.normalize("NFC", password)
    if not limits.PASSWORD_MIN <= len(normal) <= limits.PASSWORD_MAX:
        raise _invalid("/password", f"{limits.PASSWORD_MIN} to {limits.PASSWORD_MAX} characters")
    try:
        normal.encode()
    except UnicodeEncodeError:
        raise _invalid("/password", "holds a lone surrogate, which is not text") from None
    return normal


def credentials(login: str, password: str) -> tuple[str, str] | None:
    """Both as they are compared; None where no account can have them.

    Signing in uses this: what is not even well-formed gets the answer of a wrong password.
    """
    try:
        return normalize_login(login), normalize_password(password)
    except Invalid:
        return None


def find_account(login: str) -> str | None:
    """The login as it is compared; None for what is no login, which nobody has."""
    try:
        return normalize_login(login)
    except Invalid:
        return None


def start_of_page(limit: int, cursor: str | None) -> str:
    """The id that a page goes on after, for providers that list by id; "" for the first page.

    Raises Invalid for a limit out of range and for a cursor that `cursor_after` did not make.
    """
    if not 1 <= limit <= limits.IDENTITIES_PAGE:
        allowed = f"1 to {limits.IDENTITIES_PAGE}"
        raise Invalid("The limit is out of range.", (Fault("limit", allowed),))
    if cursor is None:
        return ""
    parts = unseal(_listed(), cursor, str)
    if parts is None:
        raise Invalid(
            "This cursor cannot be used here.", (Fault("cursor", "not a cursor of identities"),)
        )
    return str(parts[0])


def cursor_after(identity: str) -> str:
    """The cursor of a page that ends with this id."""
    return seal(_listed(), [identity])


def _listed() -> str:
    return digest("identities")


def no_such_identity() -> NotFound:
    return NotFound("There is no such identity.")


def wrong_credentials() -> Unauthenticated:
    """The one answer for a missing login, a wrong password and a disabled identity."""
    return Unauthenticated("The login or the password is wrong.", "invalid_grant")


def bad_refresh_token() -> Unauthenticated:
    return Unauthenticated("This refresh token is not, or no longer, good.", "invalid_grant")


def bad_access_token() -> Unauthenticated:
    return Unauthenticated("This is not a good access token.", "invalid_token")


def expired_access_token() -> Unauthenticated:
    return Unauthenticated(EXPIRED, "invalid_token")


def _invalid(pointer: str, detail: str) -> Invalid:
    return Invalid("The login or the password breaks a rule.", (Fault(pointer, detail),))
