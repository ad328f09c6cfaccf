"""Access tokens as signed JWTs: RFC 9068's claims, HS256 with a key of the provider's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from homeport.domain import identity as rules
from homeport.domain.model.identity import Identity, Kind, Principal, VerifiedToken
from homeport.domain.ports.clock import Clock

ISSUER: Final = "homeport"
AUDIENCE: Final = "homeport"
TYPE: Final = "at+jwt"
ALGORITHM: Final = "HS256"
KEY_BYTES: Final = 32
"""How many random bytes a key has."""

_LONGEST = 8192
_is_jws = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+\Z", re.ASCII).match
_REQUIRED = ["iss", "aud", "sub", "iat", "exp", "kind"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`id` is the `kid` of the tokens that the key signs; with "" they have none."""

    id: str
    secret: bytes = field(repr=False)


class SigningKeys(Protocol):
    """Where the keys are. Both methods are called for every token: keep what was read."""

    def current(self) -> SigningKey:
        """The key that signs from now on, made at first use."""
        ...

    def find(self, id: str) -> SigningKey | None:
        """The key with this id, None where there is none, or where it is no longer good."""
        ...


class AccessTokens:
    """Makes and checks access tokens.

    The library is imported at first use: starting a server need not wait for it.
    """

    def __init__(self, keys: SigningKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def issue(self, identity: Identity) -> str:
        import jwt

        now = self._clock.now() // 1_000_000
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": identity.id,
            "iat": now,
            "exp": now + rules.ACCESS_SECONDS,
            "kind": identity.kind.value,
            "groups": list(identity.groups),
        }
        key = self._keys.current()
        headers = {"typ": TYPE, "kid": key.id} if key.id else {"typ": TYPE}
        return jwt.encode(claims, key.secret, ALGORITHM, headers=headers)

    def verify(self, token: str) -> VerifiedToken:
        """Whose token it is. The time comes from our own clock, not from the library's."""
        import jwt

        if len(token) > _LONGEST or _is_jws(token) is None:
            raise rules.bad_access_token()
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise rules.bad_access_token()
            decoded = jwt.decode_complete(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError as exc:
            raise rules.bad_access_token() from exc
        if decoded["header"].get("typ") != TYPE:
            raise rules.bad_access_token()
        return self._checked(decoded["payload"])

    def _checked(self, claims: dict[str, Any]) -> VerifiedToken:
        expires = claims["exp"]
        if type(expires) is not int or claims["kind"] not in tuple(Kind):
            raise rules.bad_access_token()
        if expires * 1_000_000 <= self._clock.now():
            raise rules.expired_access_token()
        groups = tuple(claims.get("groups", ()))
        return VerifiedToken(Principal(claims["sub"], Kind(claims["kind"]), groups), expires)
