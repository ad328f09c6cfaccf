"""`homeport shards`: look through the table on AWS for records that stand in no right shard, and
note the number of shards of the collections that have none; with `--sizes`, count how large the
table's partitions are. The backend may run meanwhile."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from math import floor
from typing import TYPE_CHECKING, Any

from homeport.adapters.aws.table import SEPARATOR
from homeport.entrypoints.cli.exits import Exit, fail
from homeport.entrypoints.cli.opening import definition_of, opened_anyway
from homeport.entrypoints.cli.progress import progress

if TYPE_CHECKING:
    from homeport.adapters.aws.table_layout import Settled
    from homeport.adapters.aws.table_sizes import Size


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    use = definition.adapters.record_store.use
    if use != "dynamodb":
        fail(Exit.USAGE, f'The record store "{use}" has no shards: only "dynamodb" has.')
    if not arguments.rate > 0:
        fail(Exit.USAGE, "--rate: more than 0 read units a second.")
    with opened_anyway(definition, "record_store") as backend:
        store: Any = backend.store  # what is called here is not of the port
        if arguments.sizes:
            with progress("Reading the table", unit="MB") as advance:
                sizes: list[Size] = store.count_sizes(advance, arguments.rate)
            _tell_sizes(sizes, as_json=arguments.json)
            return Exit.OK
        with progress("Looking through the index", unit="MB") as advance:
            found: list[Settled] = store.settle_shards(advance)
    if arguments.json:
        print(json.dumps([_as_json(one) for one in found], indent=2))
    elif not found:
        print("No collection of the definition has more than one shard.")
    else:
        for one in found:
            print(_told(one))
    return Exit.FAILED if any(one.strays for one in found) else Exit.OK


def _as_json(one: Settled) -> dict[str, Any]:
    return {**asdict(one), "strays": ["/".join(stray.key) for stray in one.strays]}


def _told(one: Settled) -> str:
    if not one.strays:
        when = "as the table had it" if one.noted_before else "noted in the table now"
        return f"{one.collection}: {one.shards} shards, {when}; no record stands elsewhere."
    some = ", ".join("/".join(stray.key) for stray in one.strays)
    if one.noted:
        what = (
            "these were written in one shard by a process with an older definition, and are not "
            "found. End such processes, export the records and import them into a new table, which "
            "has none of the accounts"
        )
    else:
        what = (
            "not noted in the table, for these were written before. "
            f"Set collections.{one.collection}.shards = 1; for more, export the records then, "
            "and import them into another collection, or into a new table, which has none of the "
            "accounts"
        )
    return f"{one.collection}: {one.shards} shards, {what}: {some}"


def _tell_sizes(sizes: list[Size], *, as_json: bool) -> None:
    from homeport.adapters.aws.table_sizes import LIMIT, WARN_AT

    if as_json:
        told = [{**asdict(one), "share": round(one.share, 4)} for one in sizes]
        print(json.dumps(told, indent=2))
        return
    for one in sizes:
        mostly = f", most of it in {one.collection}" if one.collection else ""
        size = f"{gigabytes(one.bytes)} of {gigabytes(LIMIT)} ({percent(one.share)})"
        warned = "WARNING: " if one.share >= WARN_AT else ""
        print(f"{warned}{placed(one.partition)}: {size}{mostly}")
    if not sizes:
        print("There is nothing in the table.")


def placed(partition: str) -> str:
    """A partition key of the table, for people."""
    space, _, shard = partition.rpartition(SEPARATOR)
    if shard.isdigit() and not space.startswith(SEPARATOR):
        return f'shard {shard} of the space "{space}"'
    return f'the partition "{partition}"'


def gigabytes(size: int) -> str:
    return f"{size / 2**30:,.1f} GB"


def percent(share: float) -> str:
    """Rounded down: what is told as 70 % is at least that, and so was compared as such."""
    return f"{floor(share * 100 + 1e-6)} %"
