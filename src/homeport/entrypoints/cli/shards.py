"""`homeport shards`: look through the table on AWS for records that stand in no right shard, and
note the number of shards of the collections that have none. The backend may run meanwhile."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homeport.entrypoints.cli.exits import Exit, fail
from homeport.entrypoints.cli.opening import definition_of, opened_anyway
from homeport.entrypoints.cli.progress import progress

if TYPE_CHECKING:
    from homeport.adapters.aws.table_layout import Settled


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    use = definition.adapters.record_store.use
    if use != "dynamodb":
        fail(Exit.USAGE, f'The record store "{use}" has no shards: only "dynamodb" has.')
    with opened_anyway(definition, "record_store") as backend:
        store: Any = backend.store  # `settle_shards` is not of the port
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
            "found. End such processes, export the records and import them into a new table"
        )
    else:
        what = (
            "not noted in the table, for these were written before. "
            f"Set collections.{one.collection}.shards = 1; for more, export the records then, "
            "and import them into a new table"
        )
    return f"{one.collection}: {one.shards} shards, {what}: {some}"
