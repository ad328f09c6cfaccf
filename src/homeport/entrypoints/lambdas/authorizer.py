"""Finds out who is calling. It never refuses: it passes on the principal, or why there is none.

The handlers render what an operation makes of that, so that every answer is ours.
"""

from __future__ import annotations

from typing import Any

from homeport.domain.errors import Unauthenticated
from homeport.domain.identity import EXPIRED
from homeport.domain.ports.identity_provider import IdentityProvider

Context = dict[str, Any]
"""`id`, `kind`, `groups` (joined by commas) and `expires` (seconds since 1970), or `problem`."""

_SCHEME = "bearer "


def authorize(provider: IdentityProvider, authorization: str | None) -> Context:
    """The context for a request's `Authorization` header.

    Raises Unavailable where the provider cannot tell now, so that nobody caches the answer.
    """
    if not authorization:
        return {"problem": "missing"}
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return {"problem": "invalid"}
    try:
        verified = provider.verify(authorization[len(_SCHEME) :].strip())
    except Unauthenticated as error:
        return {"problem": "expired" if error.detail == EXPIRED else "invalid"}
    principal = verified.principal
    return {
        "id": principal.id,
        "kind": str(principal.kind),
        "groups": ",".join(principal.groups),
        "expires": verified.expires,
    }
