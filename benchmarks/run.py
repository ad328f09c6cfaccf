"""Measures a server of its own on this machine: `make bench`, `make bench ARGS=--quick`.

Requests come from wrk, one thread with 32 connections, on the same machine. Compare figures
within one run only: each run brings its own yardsticks, the bare HTTP server and bare SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import inside, load, process

HERE: Final = Path(__file__).parent
_LOADS: Final = {
    "GET": "get.lua",
    "list of 20": "list.lua",
    "ranked search": "search.lua",
    "merge patch, If-Match": "patch_if_match.lua",  # first: it knows the versions as loaded
    "merge patch": "patch.lua",
    "durable create": "create.lua",
}


@dataclass(frozen=True, slots=True)
class Load:
    """Requests per second, times in milliseconds, and answers that were not good."""

    name: str
    rate: float
    p50: float
    p99: float
    bad: int


def wrk(name: str, script: str, address: str, seconds: float, **settings: str) -> Load:
    """Put one load on a server."""
    done = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds:g}s", "-s", HERE / script, f"http://{address}"],
        env={**os.environ, "HERE": str(HERE), "TOKEN": "", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not results:
        raise RuntimeError(f"wrk gave no result:\n{done.stdout}\n{done.stderr}")
    requests, took, bad, p50, p99 = (int(one) for one in results[-1].split()[1:])
    return Load(name, requests / took * 1e6, p50 / 1000, p99 / 1000, bad)


def start_times(folder: Path, times: int) -> tuple[float, float]:
    """The median of the seconds to the first 200, and idle memory in MiB."""
    seconds, held = [], []
    for number in range(times):
        fresh = folder / f"start-{number}"
        fresh.mkdir()
        with process.homeport(fresh) as (_, pid, took):
            seconds.append(took)
            held.append(process.memory(pid))
    return statistics.median(seconds), statistics.median(held)


def loads(folder: Path, count: int, seconds: float) -> tuple[list[Load], dict[str, float]]:
    """Fill a server with `count` records and put every load on it."""
    words = load.vocabulary()
    listing, vocabulary = folder / "records.txt", folder / "words.txt"
    # The most frequent words are in nearly every document, and nobody searches for those.
    vocabulary.write_text("\n".join(words[20:2000]) + "\n")
    facts = {}
    with process.homeport(folder) as (address, pid, _):
        session = load.sign_in(address)
        print(f"  loading {count:,} records in batches ...", flush=True)
        facts["loaded by batches, records/s"] = load.fill(session, count, words, listing)
        facts["index caught up after, s"] = load.wait_for_index(session, count)
        settings = {
            "TOKEN": session.token,
            "RECORDS": str(listing),
            "WORDS": str(vocabulary),
        }
        results = []
        for name, script in _LOADS.items():
            print(f"  {name} ...", flush=True)
            results.append(wrk(name, script, address, seconds, **settings))
        facts["memory afterwards, MiB"] = process.memory(pid)
    return results, facts


def bare_server(folder: Path, name: str, seconds: float) -> Load:
    """What the HTTP server does without us; twice in a run, since machines change their pace."""
    with process.hello(folder) as address:
        return wrk(name, "hello.lua", address, min(seconds, 3.0))


def report(results: list[Load], hello: Load, commits: float, facts: dict[str, float]) -> None:
    print(f"\n{'':24}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'bad':>6}{'ratio':>8}")
    for one in (hello, *results):
        writes = one.name.startswith(("merge", "durable"))
        ratio = one.rate / (commits if writes else hello.rate)
        against = "commits" if writes else "hello"
        print(
            f"{one.name:24}{one.rate:12,.0f}{one.p50:9.2f}{one.p99:9.2f}{one.bad:6}"
            f"{ratio:8.2f} x {against}"
        )
    print(f"{'SQLite, commit each':24}{commits:12,.0f}\n")
    for name, value in facts.items():
        print(f"{name:44}{value:10,.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="5,000 documents, 2 seconds a load")
    parser.add_argument("--documents", type=int, help="how many to load (100,000)")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (6)")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    count = options.documents or (5_000 if options.quick else 100_000)
    seconds = options.seconds or (2.0 if options.quick else 6.0)

    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as name:
        folder = Path(name)
        overhead = inside.handler_overhead()
        facts = {f"handler, store stubbed, {name}, us": us for name, us in overhead.items()}
        start, idle = start_times(folder, 3 if options.quick else 7)
        facts |= {"start to first 200, ms": start * 1000, "idle memory, MiB": idle}
        commits = inside.commits_a_second(folder)
        if shutil.which("wrk") is None:
            for fact, value in facts.items():
                print(f"{fact:44}{value:10,.1f}")
            print("LEFT OUT: the loads, since wrk is not on this machine (Debian: wrk)")
            return 1 if os.environ.get("CI") == "true" else 0
        hello = bare_server(folder, "bare HTTP server", seconds)
        results, more = loads(folder, count, seconds)
        again = bare_server(folder, "the same, at the end", seconds)
        facts |= more
        facts["bare HTTP server at the end, of the start's"] = again.rate / hello.rate
    report(results, hello, commits, facts)
    if options.json is not None:
        figures = {
            "documents": count,
            "hello": asdict(hello),
            "commits": commits,
            "loads": [asdict(one) for one in results],
            "facts": facts,
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if any(one.bad for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
