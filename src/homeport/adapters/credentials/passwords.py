"""Password hashes by argon2id, with OWASP's parameters: 19 MiB, two passes, one lane.

The functions are slow on purpose and take no lock: run them where nothing waits. The library is
imported at first use.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1


def hash_password(password: str) -> str:
    return _hasher().hash(password)


def check_password(kept: str | None, password: str) -> tuple[bool, str | None]:
    """Whether the password is the one behind `kept`, and the hash to keep from now on where
    the parameters have changed since. Without a hash the work is the same, and the answer no.
    """
    from argon2.exceptions import Argon2Error, InvalidHashError

    nobodys = _nobodys_hash()
    try:
        _hasher().verify(kept or nobodys, password)
    except (Argon2Error, InvalidHashError):
        return False, None
    if kept is None:
        return False, None
    return True, hash_password(password) if _hasher().check_needs_rehash(kept) else None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


@cache
def _nobodys_hash() -> str:
    """A hash to check passwords against where there is no account."""
    return hash_password("nobody's password")
