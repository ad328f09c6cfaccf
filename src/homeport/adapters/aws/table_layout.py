"""Over how many shards each collection is spread: what the table says, held to the definition.

A record's shard follows from its id and that number, so the number must never change. The table
keeps it from the first write by a definition that declares the collection; a definition that
says another is refused from then on, and one that does not declare the collection follows it. A
collection of which the table has no number has one shard: whoever wrote it did not declare it.

So a collection that is declared with several, and of which the table has no number, is read as
one of one shard. Its first write looks whether records of it are there already (`table_strays`),
and notes the number where there are none.

Other processes may have an older definition, which does not declare the collection. They learn
of a new number within a minute, since each process asks anew by then for what has none. What
they write of that collection in that minute, in one shard, is not found any more: `settle`,
which `homeport shards` calls, finds out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from homeport.adapters.aws.table import LAYOUT, item_key
from homeport.adapters.aws.table_calls import Busy, Lost, Refused, Table
from homeport.adapters.aws.table_strays import Stray, all_strays, strays
from homeport.domain.errors import HomeportError, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.ports.clock import Clock

_PREFIX: Final = "c_"
"""Keeps a collection's name apart from the item's own attributes."""
_SECOND: Final = 1_000_000
_KNOWN_FOR: Final = 60 * _SECOND
"""How old it may be that a collection has no number in the table."""
_KNOWN_FOR_CHANGES: Final = 5 * _SECOND
"""The same for who reads changes: shards that are overlooked for longer than readers look back
(`record_store.WINDOW`, less what clocks differ by) would be lost to them."""
_PAGES: Final = 4
"""Megabytes of the index that a first write looks through by the way."""


@dataclass(frozen=True, slots=True)
class Shards:
    """The numbers in the table, as they were at `as_of`, in microseconds since 1970."""

    noted: Mapping[str, int]
    as_of: int

    def of(self, collection: str) -> int:
        return self.noted.get(collection, 1)

    def spread(self) -> Mapping[str, int]:
        """The collections that have more than one."""
        return {name: shards for name, shards in self.noted.items() if shards > 1}


@dataclass(frozen=True, slots=True)
class Settled:
    """What `settle` found of one collection: records out of place (the first of them), and
    whether the table has the number, and had it before."""

    collection: str
    shards: int
    noted: bool
    noted_before: bool
    strays: tuple[Stray, ...]


class Layout:
    """The shards of each collection."""

    def __init__(self, table: Table, catalog: Catalog, clock: Clock) -> None:
        self._table = table
        self._declared = {one.name: one.shards for one in catalog.known()}
        self._spread = {name: n for name, n in self._declared.items() if n > 1}
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Shards | None = None

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the table was laid out otherwise, or where
        no write could note the number of a collection. Nothing is written."""
        known = self._read()
        self._look({name: n for name, n in self._spread.items() if name not in known.noted})

    def shards(self, *collections: str) -> Shards:
        """The shards of these collections. Raises Unavailable as `check`."""
        return self._known_of(collections, _KNOWN_FOR)

    def shards_for_changes(self, *collections: str) -> Shards:
        """The same for a reader of changes; of no collection, for one of a whole space's."""
        if collections:
            return self._known_of(collections, _KNOWN_FOR_CHANGES)
        return self._known_within(_KNOWN_FOR_CHANGES, self._spread)

    def shards_to_write(self, *collections: str) -> Shards:
        """The shards of these before a write, which fixes them for good."""
        known = self.shards(*collections)
        for name in collections:
            if name in self._declared and name not in known.noted:
                with self._lock:
                    known = self._note(name)
        return known

    def settle(self, advance: Callable[[int], None]) -> list[Settled]:
        """Look through the whole table for records of the collections that are declared with
        several shards, and note the numbers of those that have none out of place. `advance`
        hears of each megabyte of the index; it is called by several threads."""
        known = self._read()
        found = all_strays(self._table, self._spread, advance) if self._spread else {}
        settled = []
        for name, shards in self._spread.items():
            before, out_of_place = name in known.noted, tuple(found.get(name, ()))
            if not before and not out_of_place:
                self._store(name, shards)
            noted = before or not out_of_place
            settled.append(Settled(name, shards, noted, before, out_of_place))
        return settled

    def _known_of(self, collections: Iterable[str], microseconds: int) -> Shards:
        """What is known of these: a number that is noted stays, what has none may get one."""
        known = self._known
        if known is not None and all(name in known.noted for name in collections):
            return known
        return self._known_within(microseconds, collections)

    def _known_within(self, microseconds: int, collections: Iterable[str]) -> Shards:
        """What is known, not older than that. Of a collection that waits for its first write
        nothing is known: another process may just have made it."""
        known = self._known
        if known is None or not 0 <= self._clock.now() - known.as_of <= microseconds:
            return self._read()
        if any(name in self._spread and name not in known.noted for name in collections):
            return self._read()
        return known

    def _read(self) -> Shards:
        as_of = self._clock.now()
        return self._learn(self._table.get(item_key(*LAYOUT)) or {}, as_of)

    def _note(self, collection: str) -> Shards:
        """Let the table have the number of a collection, if it has none."""
        known = self._read()
        if collection in known.noted:
            return known
        shards = self._declared[collection]
        if shards > 1:
            self._look({collection: shards})
        return self._store(collection, shards)

    def _look(self, spread: Mapping[str, int]) -> None:
        """Raise Unavailable unless no record is out of place, as far as a glance tells."""
        if not spread:
            return
        for page, found in enumerate(strays(self._table, spread)):
            if found:
                raise _older(found[0].key.collection, spread[found[0].key.collection])
            if page == _PAGES:
                raise _too_many(next(iter(spread)))

    def _store(self, collection: str, shards: int) -> Shards:
        patience = self._table.patience()
        while True:
            as_of = self._clock.now()
            try:
                item = self._table.update(_first_use(collection, shards))
            except Busy as busy:
                patience.after(busy)
            except Lost as lost:  # to say it twice does no harm
                patience.after_trouble(lost.error)
            except Refused as refused:
                self._learn(refused.items[0] or {}, as_of)
                raise
            else:
                return self._learn(item, as_of)

    def _learn(self, item: Any, as_of: int) -> Shards:
        noted = {
            name.removeprefix(_PREFIX): int(attribute["N"])
            for name, attribute in item.items()
            if name.startswith(_PREFIX)
        }
        for name, shards in noted.items():
            declared = self._declared.get(name, shards)
            if declared != shards:
                self._known = None
                raise _otherwise(name, shards, declared)
        self._known = Shards(MappingProxyType(noted), as_of)
        return self._known


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
        "the records and import them into a new table, which has none of the accounts."
    )


def _older(collection: str, declared: int) -> HomeportError:
    return Unavailable(
        f'The collection "{collection}" has records in the table from before the definition said '
        f"shards = {declared}, which stand in one shard: set collections.{collection}.shards = 1; "
        "for more, export the records then, and import them into another collection, or into a "
        "new table, which has none of the accounts."
    )


def _too_many(collection: str) -> HomeportError:
    return Unavailable(
        f'The table is too large to find out by the way whether it has records of "{collection}" '
        "from before the definition said how many shards it has: run `homeport shards`, which "
        "looks through all of it, once."
    )
