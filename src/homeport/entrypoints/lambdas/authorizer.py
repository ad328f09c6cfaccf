"""The function `authorizer`: finds out who is calling.

It never refuses: it passes on the principal, or why there is none. The handlers render what an
operation makes of that, so that every answer is ours. API Gateway calls it for an HTTP API
(type REQUEST, payload format 2.0, simple responses), and hands what it says to the operation's
own function as `requestContext.authorizer.lambda`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import Unauthenticated
from homeport.domain.identity import EXPIRED
from homeport.domain.model.data import encode
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.entrypoints.lambdas.functions import UnknownEvent
from homeport.entrypoints.lambdas.runtime import at_first_event

if TYPE_CHECKING:
    from homeport.container import Backend

FUNCTION: Final = "authorizer"

Context = dict[str, Any]
"""`id`, `kind`, `groups` and `expires` (seconds since 1970), or `problem`.

API Gateway passes on no lists, so `groups` is the text of a JSON array: their names may hold any
character that could stand between them.
"""

_SCHEME = "bearer "


def build(backend: Backend) -> Callable[[Any, object], dict[str, Any]]:
    """Takes API Gateway's question. Raises Unavailable where nobody can tell now: an answer
    would be remembered, an error is not."""
    provider = backend.identity_provider

    def handler(event: Any, context: object = None) -> dict[str, Any]:
        return {
            "isAuthorized": True,
            "context": authorize(provider, _headers_of(event).get("authorization")),
        }

    return handler


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
        "groups": encode(principal.groups),
        "expires": verified.expires,
    }


def _headers_of(event: Any) -> Mapping[str, str]:
    known = event if isinstance(event, Mapping) else {}
    headers = known.get("headers")
    asked = (known.get("type"), known.get("version"), isinstance(headers, Mapping))
    if asked != ("REQUEST", "2.0", True):
        raise UnknownEvent(
            f"the function {FUNCTION} takes questions of an HTTP API (REQUEST, payload format "
            "2.0), and this event is none"
        )
    found: Mapping[str, str] = known["headers"]
    return found


handler = at_first_event(FUNCTION)
