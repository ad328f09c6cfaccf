"""Listens for clients on the gateway's event loop, and accepts no more of them than there may be.

All of it runs on the loop's thread. To hand each request from a server's thread to the loop and
its answer back costs more than to parse it here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from homeport.domain.errors import HomeportError

BACKLOG: Final = 1024
ACCEPTED_A_TURN: Final = 64
"""After so many new connections the loop gets a turn."""
OUT_OF_FILES_SECONDS: Final = 0.1


class AddressInUse(HomeportError):
    """Another program listens at this address already."""


class CannotListen(HomeportError):
    """There is no listening at this address."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressInUse or CannotListen, in words for the user."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as exc:
        listening.close()
        if exc.errno == errno.EADDRINUSE:
            raise AddressInUse(f"Port {port} at {host} is in use by another program.") from exc
        raise CannotListen(f"Cannot listen at {host}:{port}: {exc.strerror}.") from exc
    except (TypeError, UnicodeError) as exc:  # what cannot even be looked up
        listening.close()
        raise CannotListen(f"Cannot listen at {host}:{port}: that is no host's name.") from exc
    return listening


class Listener:
    """Accepts clients at `listening`, from `start` on until `stop`, and gives them to `take`.

    Clients beyond `most` wait to be accepted: `is_full` tells when there are so many, and
    `accept_again` that there are fewer.
    """

    def __init__(
        self,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[socket.socket], None],
        is_full: Callable[[], bool],
        answer_seconds: float,
    ) -> None:
        self._listening = listening
        self._loop = loop
        self._take = take
        self._is_full = is_full
        self._answer_seconds = answer_seconds
        self._is_accepting = False
        self._is_stopped = False
        self._later: asyncio.TimerHandle | None = None

    def start(self) -> None:
        _drop_who_does_not_read(self._listening, self._answer_seconds)
        self._listening.setblocking(False)
        self.accept_again()

    def stop(self) -> None:
        """Accept no more, now and for good."""
        self._is_stopped = True
        self._pause()
        if self._later is not None:
            self._later.cancel()
        self._listening.close()

    def accept_again(self) -> None:
        """Accept clients, if there is room for them."""
        if not self._is_accepting and not self._is_stopped:
            self._is_accepting = True
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_A_TURN):
            if self._is_full():
                self._pause()  # until one leaves
                return
            try:
                client, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no more files or memory for now
                self._pause()
                self._later = self._loop.call_later(OUT_OF_FILES_SECONDS, self.accept_again)
                return
            self._take(client)

    def _pause(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._listening.fileno())


def _drop_who_does_not_read(listening: socket.socket, seconds: float) -> None:
    """Have the system end connections that take nothing of what is sent for `seconds`. They
    inherit it from the listening socket; only Linux knows it."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, max(1, int(seconds * 1000)))
