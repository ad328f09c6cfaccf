"""Starting, many things at once, and stopping without losing any."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from homeport.container import Backend
from homeport.entrypoints.local.listener import AddressInUse, CannotListen
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import GatewaySettings
from tests.gateways import (
    PATIENCE,
    ROUTES,
    Answer,
    FakeBackend,
    Handlers,
    Served,
    eventually,
    running,
)


def test_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = GatewaySettings(port=port)
        gateway = Gateway(cast(Backend, FakeBackend()), {}, ROUTES, settings)
        with pytest.raises(AddressInUse) as refused:
            gateway.run()
    assert refused.value.detail == f"Port {port} at 127.0.0.1 is in use by another program."


def test_two_gateways_cannot_share_a_port() -> None:
    with running() as served:
        settings = GatewaySettings(port=served.port)
        with pytest.raises(AddressInUse):
            Gateway(cast(Backend, FakeBackend()), {}, ROUTES, settings).run()


def test_an_address_that_is_not_this_machines() -> None:
    settings = GatewaySettings(host="192.0.2.1", port=0)
    with pytest.raises(CannotListen, match=r"Cannot listen at 192\.0\.2\.1:0"):
        Gateway(cast(Backend, FakeBackend()), {}, ROUTES, settings).run()


def test_many_waiting_handlers_keep_their_state_apart() -> None:
    with running() as served, ThreadPoolExecutor(32) as clients:
        numbers = [str(number) for number in range(300)]
        answers = list(clients.map(lambda one: served.get(f"/waiting/{one}").json(), numbers))
    assert [one["number"] for one in answers] == numbers


def test_slow_work_leaves_the_loop_free() -> None:
    handlers = Handlers()
    with running(handlers=handlers) as served, ThreadPoolExecutor(1) as client:
        slow = client.submit(served.get, "/gated")
        assert handlers.entered.acquire(timeout=PATIENCE)
        assert served.get("/hello").status == 200
        assert not slow.done()
        handlers.gate.set()
        assert slow.result(PATIENCE).json() == {"opened": True}


def test_stopping_finishes_what_is_in_flight() -> None:
    handlers = Handlers()
    with ThreadPoolExecutor(4) as clients:
        with running(handlers=handlers) as served, served.connect() as idle:
            idle.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
            assert idle.answer().status == 200
            gated = [clients.submit(served.get, "/gated") for _ in range(4)]
            for _ in gated:
                assert handlers.entered.acquire(timeout=PATIENCE)
            served.gateway.stop()
            assert idle.rest() == b"", "a connection without a request is closed at once"
            assert eventually(lambda: _refuses(served)), "so that nobody takes it for ready"
            assert not any(one.done() for one in gated)
            handlers.gate.set()
        assert [one.result(PATIENCE).status for one in gated] == [200] * 4
    with pytest.raises(ConnectionRefusedError), served.connect():
        pass


def _refuses(served: Served) -> bool:
    try:
        with served.connect():
            return False
    except ConnectionError:
        return True


def test_a_request_that_does_not_end_is_given_up() -> None:
    handlers = Handlers()
    settings = GatewaySettings(stop_seconds=0.2)
    with running(settings, handlers) as served, served.connect() as stuck:
        stuck.send("GET /gated HTTP/1.1\r\nHost: h\r\n\r\n")
        assert handlers.entered.acquire(timeout=PATIENCE)
        served.gateway.stop()
        assert eventually(lambda: "some requests did not finish in 0.2 s" in served.log.getvalue())
    handlers.gate.set()


PROGRAM = """
import signal, sys, time
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import GatewaySettings
from tests.gateways import FakeBackend

def slow(event, context):
    print("in", flush=True)
    greenlets.offload(time.sleep, 0.3)
    return {"statusCode": 200, "body": "done"}

signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
Gateway(
    FakeBackend(), {"slow": slow}, {"GET /slow": "slow", "$default": "slow"},
    GatewaySettings(port=0), on_listening=lambda at: print(at, flush=True),
).run()
print("ended", flush=True)
"""


def test_what_is_to_outlive_its_terminal_does() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "nohup"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().removeprefix("http://").partition(":")
        process.send_signal(signal.SIGHUP)
        assert Served(host, int(port)).get("/slow").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


HURRIED = 130


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([signal.SIGHUP, signal.SIGHUP], 0),  # the kernel, and the shell of that terminal
        ([signal.SIGTERM, signal.SIGHUP], 0),  # systemd with SendSIGHUP
        ([signal.SIGHUP, signal.SIGTERM], 0),
        ([signal.SIGINT, signal.SIGINT], HURRIED),
        ([signal.SIGTERM, signal.SIGHUP, signal.SIGTERM], HURRIED),
    ],
)
def test_only_who_asks_again_is_in_a_hurry(numbers: list[signal.Signals], code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().removeprefix("http://").partition(":")
        with Served(host, int(port)).connect() as client:
            client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            assert process.stdout.readline() == "in\n"
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.05)  # else the system makes one of two
            assert process.wait(PATIENCE) == code
        assert (process.stdout.readline() == "ended\n") is (code == 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_process_in_order(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["."])},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        host, _, port = process.stdout.readline().strip().removeprefix("http://").partition(":")
        served = Served(host, int(port))
        answers: list[Answer] = []

        def ask() -> None:
            answers.append(served.get("/slow"))

        client = threading.Thread(target=ask)
        client.start()
        assert process.stdout.readline() == "in\n"
        process.send_signal(number)
        client.join(PATIENCE)
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == "ended\n"
        log = process.stderr.read()
    assert answers[0].body == b"done"
    assert '"route":"GET /slow"' in log
    assert "Traceback" not in log
