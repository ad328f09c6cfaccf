"""A backup of a running server, while clients write to it."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from homeport.entrypoints.operation import PREFIX
from tests.clients import Client, new_guest
from tests.e2e.ledger import Writer
from tests.servers import HOMEPORT, serving

_WRITERS = 4
_LEAST = 300
"""Acknowledged writes before the backup begins."""


def test_a_backup_under_load_holds_what_was_acknowledged_before_it(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with serving(data) as server:
        with Client(server.address) as client:
            people = [new_guest(client) for _ in range(2)]
        writers = [
            Writer(people[n % 2], people[(n + 1) % 2], random.Random(n)) for n in range(_WRITERS)
        ]
        threads = [threading.Thread(target=one.run, args=(server.address,)) for one in writers]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while sum(one.acknowledged for one in writers) < _LEAST and time.monotonic() < deadline:
            time.sleep(0.01)
        before = [dict(one.records) for one in writers]
        acknowledged = sum(one.acknowledged for one in writers)
        began = time.monotonic()
        done = subprocess.run(
            [HOMEPORT, "backup", backup, "--data", data, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.monotonic() - began
        meanwhile = sum(one.acknowledged for one in writers) - acknowledged
        server.stop()
        for thread in threads:
            thread.join()
    assert done.returncode == 0, done.stderr
    assert acknowledged >= _LEAST and meanwhile > 0
    assert [one.trouble for one in writers] == [None] * _WRITERS
    manifest = json.loads(done.stdout)
    figures(
        f"{manifest['bytes']:,} bytes, {manifest['counts']['records']:,} records in {took:.2f} s; "
        f"{meanwhile:,} writes were acknowledged meanwhile"
    )
    restored = subprocess.run(
        [HOMEPORT, "restore", backup, "--data", tmp_path / "again"], check=False
    )
    assert restored.returncode == 0
    with serving(tmp_path / "again") as server, Client(server.address) as client:
        for writer, records in zip(writers, before, strict=True):
            # The token is good here too: its key is in the backup.
            for (collection, id), state in list(records.items())[:100]:
                path = f"{PREFIX}/records/me/{collection}/{id}"
                answer = client.ask("GET", path, token=writer.person.token)
                if answer.status == 200:
                    assert answer.json["version"] >= state.version
                else:
                    last = writer.records.get((collection, id))
                    assert last is None or last.data is None or last.version > state.version
