"""What users cost on AWS, in calls and units, and what gives way first: computed, not measured.

What an operation costs is counted by tests/aws/test_growth_costs.py, with the work of the stream
and of the queue that follows it. What AWS allows are its quotas as we know them, which an account
can have raised where that is said: hold them against your own. A user here is the one of `USER`:
change it to be yours.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness.command import Settings, run
from benchmarks.harness.results import Report

USERS: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
"""A month."""
_SECONDS: Final = 30 * 24 * 3600
_PEAK: Final = 4.0
"""The busiest second over the mean one."""
_SIZE_KB: Final = 1.0
"""Of a record, as stored; units are counted per KB written and per 4 KB read."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one costs, but for bringing the index up to date. `calls` are all requests to AWS that
    our code makes. Units are DynamoDB's: `reads` of 4 KB strongly consistent, `writes` of 1 KB,
    those of the local index included. Each of `changes` comes down the stream, past its filter,
    and is indexed. `queued` are requests to SQS, Lambda's own included, `pushes` those to SNS.
    `invocations` are those of functions, the authorizer's included, which nobody remembers here;
    `milliseconds` the time of all of them."""

    name: str
    monthly: float
    calls: float
    reads: float = 0
    writes: float = 0
    changes: float = 0
    queued: float = 0
    pushes: float = 0
    searches: float = 0
    invocations: float = 2
    milliseconds: float = 12


USER: Final = (
    Operation(
        "refresh an access token", 120, calls=2, reads=2, writes=6, invocations=1, milliseconds=10
    ),
    Operation("get a record", 300, calls=1, reads=1),
    Operation("list a page of 20", 150, calls=1, reads=5),
    Operation("pull 20 changes", 150, calls=1, reads=21),
    Operation("create a record", 30, calls=1, writes=2, changes=1),
    Operation("change a record", 60, calls=1, writes=3, changes=1),
    Operation("search, with 10 hits", 30, calls=2, reads=10, searches=1, milliseconds=32),
    Operation(
        "send a message to one other",
        30, calls=14, reads=8, writes=7, changes=3, queued=6, pushes=1,
        invocations=4, milliseconds=52,
    ),
)  # fmt: skip
"""How often somebody does what in a month, by what it costs. A message is watched, and its
recipient has one device."""
INDEXING: Final = Operation(
    "bring a change into the index",
    sum(one.monthly * one.changes for one in USER),
    calls=4, reads=3, invocations=1, milliseconds=2,
)  # fmt: skip
"""With CloudSearch; with OpenSearch the record is read once. The time is that in full batches."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that gives way at `most` of a thing, and what moves it."""

    name: str
    most: float
    remedy: str


_SHARD_WRITES: Final = Limit(
    "one busy space's writes: 1,000 units a second in a partition",
    1_000,
    "collections.NAME.shards, set before the first use",
)
_INDEX_ROW: Final = 140
"""Bytes of a record's row in the local index, which count too: its keys, of usual lengths."""
_SPACE_BYTES: Final = Limit(
    "one space's size: 10 GB for a partition key with a local index",
    10 * 2**30,
    "collections.NAME.shards, set before the first use",
)
_LIMITS: Final = {
    "concurrency": Limit("functions at once: 1,000 in an account", 1_000, "ask AWS to raise it"),
    "requests": Limit(
        "requests a second: 10,000 in an account (API Gateway)", 10_000, "ask AWS to raise it"
    ),
    "writes": Limit("write units a second: 40,000 for a table", 40_000, "ask AWS to raise it"),
    "reads": Limit("read units a second: 40,000 for a table", 40_000, "ask AWS to raise it"),
    "identities": Limit(
        "refreshed tokens: 32 partitions of 1,000 write units, two for each",
        32_000,
        "nothing: they are fixed",
    ),
    "documents": Limit(
        "documents indexed a second: some 500 for an instance of the search engine",
        500,
        "larger instances; opensearch.shards, then homeport index rebuild",
    ),
    "batches": Limit(
        "changes to CloudSearch: some 500 a second for each of four shards of the stream",
        2_000,
        "BatchSize of the stream's mapping; a table that is written more has more shards",
    ),
    "searches": Limit(
        "searches a second: some 200 for an instance of the search engine",
        200,
        "opensearch.replicas, then homeport index rebuild; CloudSearch's replication count",
    ),
    "pushes": Limit(
        "pushes a second: SNS's quota of Publish, 300 to 30,000 by region",
        3_000,
        "ask AWS to raise it; the maximum concurrency of the queue's mapping spreads a flood",
    ),
}
"""By what is counted. The two of the search engine are assumptions: measure yours. So is that of
batches: of 1,000 changes, in two seconds, the one that is slept and one of work."""


def measure(settings: Settings, report: Report, folder: Path) -> None:
    each = report.table(
        "One more user, a month", "operation", "times", "calls", "read units", "write units",
        "stream records", "SQS requests", "pushes", "searches", "invocations", "function seconds",
    )  # fmt: skip
    totals = [0.0] * 9
    for one in (*USER, INDEXING):
        parts = _parts(one)
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
        each.add(one.name, one.monthly, *parts)
    each.add("all", sum(one.monthly for one in USER), *totals)

    told = [name for name in _LIMITS if name != "batches"]  # which are the documents again
    rates = report.table("The busiest second", "users a month", *told)
    first = report.table(
        "What gives way first, of all", "users a month", "used", "limit", "what moves it"
    )
    for users in USERS:
        used = _busiest(users)
        rates.add(users, *(used[name] for name in told))
        name = max(used, key=lambda one: used[one] / _LIMITS[one].most)
        limit = _LIMITS[name]
        first.add(users, f"{used[name] / limit.most:.0%}", limit.name, limit.remedy)

    order = report.table("Users a month at which each gives way", "limit", "users", "what moves it")
    one_user = _busiest(1)
    for name in sorted(_LIMITS, key=lambda one: _LIMITS[one].most / one_user[one]):
        limit = _LIMITS[name]
        order.add(limit.name, round(limit.most / one_user[name], -3), limit.remedy)

    shards = report.table(
        "Shards of a collection, for one space", "shards", "creates a second", "changes a second",
        "GB", "records of 1 KB", "reads of a list or a pull",
    )  # fmt: skip
    for count in (1, 2, 4, 8, 16, 32, 64):
        shards.add(
            count,
            _SHARD_WRITES.most / 2 * count,
            _SHARD_WRITES.most // 3 * count,
            _SPACE_BYTES.most // 2**30 * count,
            _SPACE_BYTES.most // (1024 + _INDEX_ROW) * count,
            count,
        )
    report.notes.append(
        f"Computed for records of {_SIZE_KB:g} KB, with a busiest second of {_PEAK:g} times the "
        "mean one. Not measured on AWS."
    )


def _parts(one: Operation) -> tuple[float, ...]:
    costs = (
        *(one.calls, one.reads, one.writes, one.changes, one.queued, one.pushes, one.searches),
        *(one.invocations, one.milliseconds / 1000),
    )
    return tuple(one.monthly * cost for cost in costs)


def _busiest(users: int) -> dict[str, float]:
    """How much of each limited thing so many users take in the busiest second."""
    to_rate = users / _SECONDS * _PEAK

    def rate(amount: float) -> float:
        return amount * to_rate

    changes = INDEXING.monthly
    everything = (*USER, INDEXING)
    return {
        "concurrency": rate(sum(one.monthly * one.milliseconds / 1000 for one in everything)),
        "requests": rate(sum(one.monthly for one in USER)),
        "writes": rate(sum(one.monthly * one.writes for one in everything)),
        "reads": rate(sum(one.monthly * one.reads for one in everything)),
        # Of a refresh, the condition on the identity: the session has a partition of its own.
        "identities": rate(USER[0].monthly * 2),
        "documents": rate(changes),
        "batches": rate(changes),
        "searches": rate(sum(one.monthly * one.searches for one in USER)),
        "pushes": rate(sum(one.monthly * one.pushes for one in USER)),
    }


if __name__ == "__main__":
    sys.exit(run("aws_growth", __doc__, measure))
