"""What clients have still to read of their answers, which stays in memory until they do."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from homeport.entrypoints.local.limits import network_of
from homeport.entrypoints.local.room import Room

ROOM: Final = 64 * 1024 * 1024
"""Bytes of larger rests of answers, all together."""
SMALL: Final = 16 * 1024
"""Bytes of answers that a connection may leave unread and is served on: connections bound how
many are."""
SLOWEST: Final = 4096
"""Bytes in a second that a client has to take."""


class Unread:
    """One connection's. `client` is the address that it counts for; `is_much` while it is more than
    `SMALL`, as the transport says. `on_cut_off` is called when the connection is ended for it."""

    def __init__(
        self,
        transport: asyncio.Transport,
        client: str,
        room: Room,
        on_cut_off: Callable[[], None],
    ) -> None:
        self.client = client
        self.is_much = False
        self._is_cut_off = False
        self._transport = transport
        self._room = room
        self._on_cut_off = on_cut_off
        self._network = ""
        self._counted = 0
        self._left = 0

    def count(self) -> bool:
        """Count what there is, if it is much. Returns whether there is room for it: else the
        connection is ended."""
        more = self._transport.get_write_buffer_size() - self._counted
        if not self.is_much or more <= 0:
            return True
        if not self._counted:
            self._network = network_of(self.client)
        if not self._room.take(self._network, more):
            self.cut_off()
            return False
        self._counted += more
        return True

    def cut_off(self) -> None:
        """End the connection of a client that does not read."""
        self._transport.abort()
        if not self._is_cut_off:
            self._is_cut_off = True
            self._on_cut_off()

    def forget(self) -> None:
        """It has been read, or never will be."""
        self.is_much = False
        if self._counted:
            self._room.give_back(self._network, self._counted)
            self._counted = 0

    def taken(self) -> int:
        """How many bytes the client has taken since this was called before."""
        before, self._left = self._left, self._rest()
        return before - self._left

    def _rest(self) -> int:
        """Here, and in the system's buffer: that one takes more only when a third of it is free,
        which is long after a slow client has taken something."""
        waiting = bytearray(4)
        with suppress(OSError, ValueError):  # the connection is gone, or nothing tells
            descriptor = self._transport.get_extra_info("socket").fileno()
            fcntl.ioctl(descriptor, termios.TIOCOUTQ, waiting)
        return self._transport.get_write_buffer_size() + int.from_bytes(waiting, sys.byteorder)
