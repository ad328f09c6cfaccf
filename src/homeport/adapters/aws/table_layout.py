"""Over how many shards each collection is spread: what the definition says, held to the table.

A record's shard follows from its id and that number, so the number must never change. The table
keeps it from the first write by a definition that declares the collection; another number is
refused from then on. A collection that is not declared has one shard.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from homeport.adapters.aws.table import LAYOUT, item_key
from homeport.adapters.aws.table_calls import Busy, Lost, Refused, Table
from homeport.domain.errors import HomeportError, Unavailable
from homeport.domain.model.collection import Catalog

_PREFIX: Final = "c_"
"""Keeps a collection's name apart from the item's own attributes."""


class Layout:
    """The shards of each collection. The table is asked once, at the first call."""

    def __init__(self, table: Table, catalog: Catalog) -> None:
        self._table = table
        self._declared = {one.name: one.shards for one in catalog.known()}
        self._lock = threading.Lock()
        self._checked = False
        self._stored: frozenset[str] = frozenset()

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the table was laid out otherwise."""
        if not self._checked:
            with self._lock:
                if not self._checked:
                    self._compare(self._table.get(item_key(*LAYOUT)) or {})
                    self._checked = True

    def of(self, collection: str) -> int:
        """The collection's shards."""
        self.check()
        return self._declared.get(collection, 1)

    def of_written(self, collection: str) -> int:
        """The same before a write, which fixes the number for good."""
        shards = self.of(collection)
        if collection in self._declared and collection not in self._stored:
            with self._lock:
                self._store(collection, shards)
        return shards

    def spread(self) -> Mapping[str, int]:
        """The collections that have more than one shard."""
        self.check()
        return {name: shards for name, shards in self._declared.items() if shards > 1}

    def _store(self, collection: str, shards: int) -> None:
        if collection in self._stored:
            return
        patience = self._table.patience()
        while True:
            try:
                item = self._table.update(_first_use(collection, shards))
            except Busy as busy:
                patience.after(busy)
            except Lost as lost:  # to say it twice does no harm
                patience.after_trouble(lost.error)
            except Refused as refused:
                self._compare(refused.items[0] or {})
                raise
            else:
                self._compare(item)
                return

    def _compare(self, item: Any) -> None:
        stored = {
            name.removeprefix(_PREFIX): int(attribute["N"])
            for name, attribute in item.items()
            if name.startswith(_PREFIX)
        }
        for name, shards in stored.items():
            declared = self._declared.get(name, 1)
            if declared != shards:
                raise _otherwise(name, shards, declared)
        self._stored = frozenset(stored)


def _first_use(collection: str, shards: int) -> dict[str, Any]:
    return {
        "Key": item_key(*LAYOUT),
        "UpdateExpression": "SET #0 = if_not_exists(#0, :0)",
        "ExpressionAttributeNames": {"#0": _PREFIX + collection},
        "ExpressionAttributeValues": {":0": {"N": str(shards)}},
    }


def _otherwise(collection: str, stored: int, declared: int) -> HomeportError:
    return Unavailable(
        f'The collection "{collection}" stands in the table with {stored} shards, and the '
        f"definition says {declared}: set collections.{collection}.shards = {stored}, or export "
        "the records and import them into a new table."
    )
