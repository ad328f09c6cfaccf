"""Who belongs to a shared space, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    WRITER = "writer"
    READER = "reader"


READERS = frozenset(Role)
WRITERS = frozenset({Role.OWNER, Role.WRITER})
OWNERS = frozenset({Role.OWNER})


@dataclass(frozen=True, slots=True)
class Membership:
    """`identity` belongs to the shared space `space` in `role`."""

    space: str
    identity: str
    role: Role
