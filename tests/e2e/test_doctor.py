"""`homeport doctor` beside a server that writes: it disturbs nobody, and sees who is there."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

from tests.clients import Client, new_guest
from tests.servers import HOMEPORT, serving


def test_beside_a_server_that_writes(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, Client(server.address) as client:
        token = new_guest(client).token
        done = threading.Event()
        refused: list[int] = []
        note = {"title": "a note"}

        def write() -> None:
            while not done.is_set():
                answer = client.ask("POST", "/v1/records/me/notes", note, token=token)
                if answer.status != 201:
                    refused.append(answer.status)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            found = examine(tmp_path, server.address)
        finally:
            done.set()
            writer.join()
        assert not refused
        assert {one["status"] for one in found.values()} == {"ok"}, found
        assert f"process {server.process.pid}" in found["lock"]["detail"]
        assert "is ready" in found["server"]["detail"]
        assert "whole" in found["database"]["detail"]
        assert "whole" in found["index"]["detail"]
    assert "is free" in examine(tmp_path, server.address)["port"]["detail"]


def examine(folder: Path, address: str) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [
            *(HOMEPORT, "doctor", "--json", "--data", folder / "data"),
            *("--port", address.partition(":")[2]),
        ],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]}
