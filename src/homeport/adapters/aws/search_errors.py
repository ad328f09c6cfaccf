"""What a CloudSearch domain refuses, in the domain's errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from homeport.adapters.aws.errors import code_of, status_of, translated
from homeport.domain.errors import HomeportError, Overloaded, Unavailable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

SEARCH_SETTING: Final = "aws.search_endpoint"
DOCUMENT_SETTING: Final = "aws.document_endpoint"

REFUSED: Final = frozenset({"DocumentServiceException", "SearchException"})
"""The service read the request, and does not take it."""
_OVERLOADED: Final = frozenset({507, 509})
_NO_SUCH_FIELD: Final = re.compile(
    r"[Ff]ield (?:name )?[\"'(]?([a-z_][a-z0-9_]*\*?)[\"')]?"
    r".{0,40}?(?:is not configured|does not exist|is not (?:search|facet|sort|return|highlight))"
)
"""As the service says it in several ways; what the field is called is one of ours."""


def search_error(exc: ClientError | BotoCoreError, doing: str, setting: str) -> HomeportError:
    """What `exc` means, to be raised `from exc`; `setting` names the endpoint that was asked."""
    from botocore import exceptions

    if isinstance(exc, exceptions.EndpointConnectionError):
        return Unavailable(
            f"CloudSearch cannot be reached while {doing}: check {setting}. A new domain has no "
            "endpoint until it is active, which takes about ten minutes."
        )
    if not isinstance(exc, exceptions.ClientError):
        return translated(exc, doing, setting=setting)
    status = status_of(exc)
    if status in _OVERLOADED:
        return Overloaded(f"CloudSearch is overloaded ({status}) while {doing}; try again.", 10)
    missing = missing_field(message_of(exc))
    if missing is not None:
        return Unavailable(
            f"The CloudSearch domain has no index field for {missing}, or not with the options "
            f"that it needs, while {doing}: configure Homeport's index fields and index the "
            "domain's documents."
        )
    if status in (404, 405):
        return Unavailable(
            f"What {setting} names is no endpoint of CloudSearch's for this ({status}) while "
            f"{doing}: a domain has two, one for documents and one for searches."
        )
    return translated(exc, doing, setting=setting)


def missing_field(message: str) -> str | None:
    """The field that the domain does not have as it is needed, where that is what is wrong."""
    found = _NO_SUCH_FIELD.search(message)
    return None if found is None else found[1]


def is_refusal(exc: ClientError) -> bool:
    """Whether the service read what was sent, and will refuse the same again."""
    return code_of(exc) in REFUSED and status_of(exc) < 500


def message_of(exc: ClientError) -> str:
    found = exc.response.get("message") or exc.response.get("Error", {}).get("Message") or ""
    return str(found)
