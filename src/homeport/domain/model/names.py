"""The alphabets of ids and names, and the names that the backend keeps for itself."""

from __future__ import annotations

import re
from typing import Final

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid

ID_PATTERN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$"
COLLECTION_PATTERN: Final = r"^[a-z0-9_]{1,64}$"
ID_ALPHABET: Final = "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"
COLLECTION_ALPHABET: Final = "1 to 64 of a-z 0-9 _"
"""The patterns in words."""

ME: Final = "me"
"""In a route: the caller's own private space."""
PUBLIC: Final = "public"
OPERATOR: Final = "operator"
"""The author of records that the backend's operator has made; no identity has this id."""

INBOX: Final = "inbox"
SENT: Final = "sent"
RESERVED: Final = frozenset({INBOX, SENT, "spaces", "media", "rejected"})
"""Collections in which only services create."""

_uuid = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z").match
_id = re.compile(ID_PATTERN.rstrip("$") + r"\Z").match
_collection = re.compile(COLLECTION_PATTERN.rstrip("$") + r"\Z").match


def check_id(name: str, value: str) -> str:
    """`value` if it is an id: 1-128 of A-Za-z0-9_-. not starting with a dot; else Invalid."""
    if _id(value) is None:
        raise Invalid(
            f"This {name} is not an id.",
            (Fault(name, ID_ALPHABET),),
        )
    return value


def check_collection(value: str) -> str:
    """`value` if it is a collection's name: 1-64 of a-z0-9_; else Invalid."""
    if _collection(value) is None:
        raise Invalid(
            "This is not a collection's name.", (Fault("collection", COLLECTION_ALPHABET),)
        )
    return value


def id_of_key(key: str) -> str:
    """The id that an idempotency key becomes; Invalid unless it is a UUID."""
    if _uuid(key) is None:
        raise Invalid("The key is not a UUID.", (Fault("Idempotency-Key", "not a UUID"),))
    return key.lower()


def hidden_space(identity: str) -> str:
    """Where the backend keeps what it knows about an identity (devices, blocks).

    The dot keeps it out of every route, since no id starts with one; consumers of the change
    feed pass over such spaces, and they are never indexed.
    """
    return f".{identity}"


def is_hidden(space: str) -> bool:
    return space.startswith(".")


def is_field(path: str) -> bool:
    """Whether a dotted path within a record's data may name a field of the index."""
    return 0 < len(path) <= limits.FIELD_CHARACTERS and _CONTROL.search(path) is None


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
