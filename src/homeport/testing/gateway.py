"""Runs a local gateway beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from homeport.entrypoints.local.server import Gateway

_PATIENCE = 10.0


@contextmanager
def serving(make: Callable[[Callable[[str], None]], Gateway]) -> Iterator[str]:
    """Run a gateway in a thread and give its address, `http://127.0.0.1:port`.

    `make` gets what to pass to the gateway as `on_listening`. Use port 0. What `run` raises
    comes out here.
    """
    listening = threading.Event()
    address: list[str] = []
    raised: list[BaseException] = []

    def on_listening(at: str) -> None:
        address.append(at)
        listening.set()

    gateway = make(on_listening)

    def run() -> None:
        try:
            gateway.run()
        except BaseException as exc:  # noqa: BLE001  # for the test's own thread to raise
            raised.append(exc)
        finally:
            listening.set()

    thread = threading.Thread(target=run, name="homeport-gateway")
    thread.start()
    try:
        if not listening.wait(_PATIENCE):
            raise AssertionError("the gateway does not start")
        if not raised:
            yield address[0]
    finally:
        gateway.stop()
        thread.join(_PATIENCE)
    if raised:
        raise raised[0]
    if thread.is_alive():
        raise AssertionError("the gateway does not stop")
