"""Access tokens as signed JWTs (RFC 9068's claims, HS256 with a key of the data file's own)."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

import apsw

from homeport.adapters.embedded.database import Database
from homeport.domain import identity as rules
from homeport.domain.model.identity import Identity, Kind, Principal, VerifiedToken
from homeport.domain.ports.clock import Clock

ISSUER: Final = "homeport"
AUDIENCE: Final = "homeport"
TYPE: Final = "at+jwt"
ALGORITHM: Final = "HS256"
KEY_SETTING: Final = "access_token_key"

_LONGEST = 8192
_is_jws = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+\Z", re.ASCII).match
_REQUIRED = ["iss", "aud", "sub", "iat", "exp", "kind"]


class AccessTokens:
    """Makes and checks access tokens. The key, 256 random bits, is made at first use.

    The library is imported at first use too: starting a server need not wait for it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known_key: bytes | None = None

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
        return jwt.encode(claims, self._key(), ALGORITHM, headers={"typ": TYPE})

    def verify(self, token: str) -> VerifiedToken:
        """Whose token it is. The time comes from our own clock, not from the library's."""
        import jwt

        if len(token) > _LONGEST or _is_jws(token) is None:
            raise rules.bad_access_token()
        try:
            decoded = jwt.decode_complete(
                token,
                self._key(),
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

    def _key(self) -> bytes:
        if self._known_key is None:
            made = secrets.token_hex(32)

            def make(connection: apsw.Connection) -> str:
                connection.execute(
                    "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (KEY_SETTING, made),
                )
                rows = connection.execute(
                    "SELECT value FROM settings WHERE name = ?", (KEY_SETTING,)
                ).fetchall()
                return str(rows[0][0])

            rows = self._database.read("SELECT value FROM settings WHERE name = ?", (KEY_SETTING,))
            text = rows[0][0] if rows else self._database.write(make)
            self._known_key = bytes.fromhex(text)
        return self._known_key
