"""Records as the operator of a backend works on them: anybody's, by everybody's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid, NotFound
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.opaque import digest, seal, unseal
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Expect, Expectation, Put, WriteRefused, check_size
from homeport.domain.ports.record_store import Order, RecordStore
from homeport.domain.record_writes import only_services_create, refusal
from homeport.domain.records import Page
from homeport.domain.schemas import DataRefused, Schemas


class OperatorRecords:
    """Access is not asked for: whoever calls this has the data anyway. No request does.

    Names, collections, limits, schemas, versions and events are those of every write. A new
    record's author is `operator`, an id that no identity has; one that exists keeps its own.
    All raise Invalid for names outside their alphabet, for `me`, and for hidden spaces, which
    are the backend's own.
    """

    def __init__(self, store: RecordStore, catalog: Catalog, schemas: Schemas) -> None:
        self._store = store
        self._catalog = catalog
        self._schemas = schemas

    def get(self, space: str, collection: str, id: str) -> Record:
        """The record as it is. Raises NotFound."""
        key = _key(space, collection, id)
        record = self._store.get(key)
        if record is None or record.data is None:
            raise NotFound(f"There is no record {'/'.join(key)}.")
        return record

    def page(
        self,
        space: str,
        collection: str,
        limit: int = limits.PAGE_ITEMS_DEFAULT,
        cursor: str | None = None,
    ) -> Page:
        """A page of a collection by id, with up to `limit` (1 to 100) records; fewer are no
        sign of the end, no cursor is."""
        _check_place(space, collection)
        if not 1 <= limit <= limits.PAGE_ITEMS:
            allowed = f"1 to {limits.PAGE_ITEMS}"
            raise Invalid("The limit is out of range.", (Fault("limit", allowed),))
        of = digest("operator", space, collection)
        after = None
        if cursor is not None:
            parts = unseal(of, cursor, int, str, str)
            if parts is None:
                detail = "not a cursor of this collection"
                raise Invalid("This cursor cannot be used here.", (Fault("cursor", detail),))
            after = Position(*parts)
        page = self._store.page(space, collection, Order.ID, limit, after)
        return Page(page.records, None if page.next is None else seal(of, list(page.next)))

    def put(
        self,
        space: str,
        collection: str,
        id: str,
        data: Mapping[str, Any],
        expect: Expectation | None = None,
    ) -> Record:
        """Create or replace. Raises VersionMismatch where the record is not as expected,
        Forbidden where only the backend itself creates, TooLarge, and Invalid also for data
        that its collection's schema refuses and for collections that nobody may write to."""
        key = _key(space, collection, id)
        only_services_create(collection)
        closed = space == names.PUBLIC or self._catalog.refuse_undeclared
        if closed and self._catalog.find(collection) is None:
            raise Invalid(
                f"The collection {collection} is not declared.",
                (Fault("collection", "not declared"),),
            )
        data = Data.of(data)
        check_size(key, data)
        write = Put(key, names.OPERATOR, data, Expect.ANYTHING if expect is None else expect)
        try:
            return self._schemas.write(self._store, [write], None)[0]
        except DataRefused as refused:
            raise refused.invalid() from refused
        except WriteRefused as refused:
            raise refusal(write, refused) from refused


def _check_place(space: str, collection: str) -> None:
    if space == names.ME:
        raise Invalid("There is no `me` here.", (Fault("space", "name it by its id"),))
    if names.is_hidden(space):
        detail = "hidden: one of the backend's own"
        raise Invalid("This space cannot be worked on.", (Fault("space", detail),))
    names.check_id("space", space)
    names.check_collection(collection)


def _key(space: str, collection: str, id: str) -> Key:
    _check_place(space, collection)
    return Key(space, collection, names.check_id("id", id))
