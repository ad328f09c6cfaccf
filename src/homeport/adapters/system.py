"""The machine's own time and randomness."""

from __future__ import annotations

import base64
import os
import secrets
import threading
import time
from typing import Final


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


class SystemIds:
    """Random ids from the operating system's generator; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noise = _Noise()
        self._last = 0

    def record_id(self) -> str:
        """A UUIDv7 that is greater than every one that this object made before."""
        # RFC 9562, 6.2, method 2: the 74 random bits are one number, and ids of the same
        # millisecond (or of a clock set back) add a random step to the one before.
        noise = int.from_bytes(self._noise.take(14), "big")
        with self._lock:
            fresh = time.time_ns() // 1_000_000 << 74 | noise >> 38
            self._last = max(fresh, self._last + 1 + (noise & 0xFFFF_FFFF))
            number = self._last
        head, upper, lower = number >> 74, number >> 62 & 0xFFF, number & (1 << 62) - 1
        digits = f"{head:012x}7{upper:03x}{1 << 63 | lower:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def identity_id(self) -> str:
        # 17 bytes are 136 bits; 26 characters carry the first 130 of them.
        return base64.b32encode(os.urandom(17)).decode()[:26].lower()

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def tail(self) -> int:
        return int.from_bytes(self._noise.take(2), "big") & 0xFFF


class _Noise:
    """The operating system's random bytes, fetched many at a time: a call for each write was a
    tenth of what a write takes. A process that forks must not go on with its parent's, nor one
    restored from a snapshot with bytes fetched before it."""

    def __init__(self) -> None:
        self._bytes = b""
        self._taken = 0
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> bytes:
        with self._lock:
            start = self._taken
            if len(self._bytes) < start + count:
                self._bytes, start = os.urandom(_FETCHED), 0
            self._taken = start + count
            return self._bytes[start : start + count]

    def _forget(self) -> None:
        self._bytes, self._taken = b"", 0
        self._lock = threading.Lock()


_FETCHED: Final = 4096
