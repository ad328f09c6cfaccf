"""An export of a running server, while clients write to it, imported into a folder of its own."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.clients import Client, new_guest
from tests.e2e.ledger import Writer
from tests.servers import HOMEPORT, serving

_WRITERS = 4
_LEAST = 300
"""Acknowledged writes before the export begins."""


def homeport(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HOMEPORT, *arguments], capture_output=True, text=True, check=False)


def test_an_export_under_load_holds_what_was_acknowledged_before_it(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    data, file = tmp_path / "data", tmp_path / "all.jsonl"
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
        done = homeport("export", file, "--data", data, "--json")
        took = time.monotonic() - began
        meanwhile = sum(one.acknowledged for one in writers) - acknowledged
        refused = homeport("import", file, "--data", data)
        server.stop()
        for thread in threads:
            thread.join()
    assert done.returncode == 0, done.stderr
    assert refused.returncode == 3
    assert acknowledged >= _LEAST and meanwhile > 0
    assert [one.trouble for one in writers] == [None] * _WRITERS
    summary: dict[str, Any] = json.loads(done.stdout)
    figures(
        f"{summary['records']:,} records, {summary['bytes']:,} bytes in {took:.2f} s; "
        f"{meanwhile:,} writes were acknowledged meanwhile"
    )
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:-1]]
    exported = {(one["space"], one["collection"], one["id"]): one for one in lines}
    assert len(exported) == len(lines) == summary["records"]
    for writer, records in zip(writers, before, strict=True):
        for (collection, id), state in records.items():
            one = exported.get((writer.person.id, collection, id))
            if one is not None:
                assert one["version"] >= state.version
            elif state.data is not None:
                # It was there before: since then it was deleted, in one way or another.
                last = writer.records.get((collection, id))
                assert last is None or last.data is None or last.version > state.version

    new = tmp_path / "new"
    done = homeport("import", file, "--data", new, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"]["created"] == summary["records"]
    with serving(new):
        pass
    verified = homeport("index", "verify", "--data", new, "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["records"] == summary["records"]
