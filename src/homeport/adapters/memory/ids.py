"""Ids that are the same in every run."""

from __future__ import annotations

import base64
import hashlib
import itertools


class SequentialIds:
    """Counts. What it makes has the right form, and nothing about it is secret."""

    def __init__(self) -> None:
        # `next` on a count is one step for the interpreter, so threads never share a number.
        self._records = itertools.count(1)
        self._identities = itertools.count(1)
        self._secrets = itertools.count(1)
        self._tails = itertools.count()

    def record_id(self) -> str:
        number = f"{next(self._records):016x}"
        return f"01900000-0000-7000-8{number[1:4]}-{number[4:]}"

    def identity_id(self) -> str:
        number = next(self._identities).to_bytes(16, "big")
        return base64.b32encode(number).decode().rstrip("=").lower()

    def secret(self) -> str:
        digest = hashlib.sha256(str(next(self._secrets)).encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def tail(self) -> int:
        # A step without a common factor with 4096 visits every tail, out of order.
        return next(self._tails) * 1237 & 0xFFF
