"""The least that the HTTP server under the gateway can do: what an answer costs without us."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import uvloop

from homeport.entrypoints.local.connections import Connections
from homeport.entrypoints.local.exchange import COMMON
from homeport.entrypoints.local.incoming import Headers, Incoming
from homeport.entrypoints.local.listener import Listener, bind

_HEADERS: Final[Headers] = [("content-type", "application/json")]


def answer(incoming: Incoming) -> None:
    incoming.answer(200, _HEADERS, '{"hello":"world"}')


def refusal(status: int) -> tuple[Headers, str]:
    return [], f"refused with {status}"


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    connections = Connections(loop, answer, refusal, 30.0, COMMON)
    connections.start()
    Listener(bind("127.0.0.1", port), loop, connections.take, lambda: False, 30.0).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
