"""Full-text search on OpenSearch."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from homeport.adapters.opensearch.answers import Answers
from homeport.adapters.opensearch.bulk import Bulk, TargetGone, VersionsRefused
from homeport.adapters.opensearch.documents import Operation, Operations, newest
from homeport.adapters.opensearch.errors import IndexGone, Refused, gone
from homeport.adapters.opensearch.generations import Aliases, Generations, own_alias
from homeport.adapters.opensearch.layout import FORMAT, Layout
from homeport.adapters.opensearch.lease import Lease
from homeport.adapters.opensearch.purge import Purge
from homeport.adapters.opensearch.query import QueryTranslator
from homeport.adapters.opensearch.rebuild import OpenSearchRebuild
from homeport.adapters.opensearch.reread import Reread
from homeport.adapters.opensearch.server import Access, Server, address
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import (
    Document,
    IndexChange,
    IndexEntry,
    IndexStatus,
    Rejection,
)
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.search_index import Capability

log: Final = logging.getLogger("homeport.opensearch")

T = TypeVar("T")


class OpenSearchIndex:
    """The indexes of one prefix on one server, which the first use makes where there are none.

    `store` gives the records; it is asked only where the server takes no versions from outside
    (a serverless collection may not). `exact_totals` is whether all matches are counted however
    many they are. `layout` wins over what is made of `catalog` and `language`. `sleep` waits for
    so many seconds. Safe to use from several threads.
    """

    def __init__(
        self,
        access: Access,
        clock: Clock,
        catalog: Catalog,
        store: Callable[[], RecordStore] | None = None,
        *,
        prefix: str = "homeport",
        language: str = "en",
        exact_totals: bool = True,
        layout: Layout | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._layout: Final = layout or Layout(catalog, language)
        self._server: Final = Server(access, sleep=sleep)
        self._generations: Final = Generations(
            self._server, self._layout, prefix, clock.now, monotonic
        )
        self._operations: Final = Operations(self._layout)
        self._bulk: Final = Bulk(self._server, self._operations, sleep=sleep)
        self._answers: Final = Answers(
            self._server, QueryTranslator(self._layout), exact=exact_totals
        )
        self._purge: Final = Purge(self._bulk, self._answers, clock.now)
        self._reread: Final = None if store is None else Reread(store, catalog, self._operations)
        self._versioned = True
        self._fitted: set[str] = set()
        self._lock: Final = threading.Lock()
        self._rebuilding: OpenSearchRebuild | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        able = {Capability.GEO, Capability.FUZZY}
        return frozenset(able | {Capability.STEMMING} if self._layout.stems else able)

    @property
    def in_place(self) -> bool:
        return False

    @property
    def needs_rebuild(self) -> str | None:
        """Why the index does not hold what it should; None where nothing is known to be wrong."""
        return self._reason(self._live().live or "")

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the server cannot be used. Not of the
        port."""
        self._server.check()
        self._answers.count(self._live().live or "")

    def examined(self) -> str | None:
        """What `needs_rebuild` says, without making an index where there is none. Not of the
        port."""
        self._server.check()
        live = self._generations.read().live
        if live is None:
            return None if self._generations.newest() is None else _LOST
        return self._reason(live)

    def close(self) -> None:
        self._server.close()

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        if not changes:
            return []
        try:
            return self._apply_to_all(changes)
        except TargetGone:
            # A rebuild was committed, or given up, since the aliases were read.
            self._generations.forget()
        try:
            return self._apply_to_all(changes)
        except TargetGone as exc:
            self._generations.forget()
            raise gone("sending documents to it") from exc

    def search(self, query: SearchQuery) -> SearchPage:
        """Raises Unavailable where the index was deleted, until another one has been filled."""
        if self._generations.described(self._live().live or "").get("lost"):
            raise Unavailable(f"Nothing can be found: {_LOST}. Run: homeport index rebuild", 60)
        return self._asked(lambda index: self._answers.page(index, query))

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return self._asked(lambda index: self._answers.entries(index, limit, after))

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return self._asked(lambda index: self._answers.versions(index, keys))

    def status(self) -> IndexStatus:
        self._generations.forget()
        found = self._live()
        live = found.live or ""
        return IndexStatus(
            documents=self._answers.count(live),
            size=self._size(live),
            schema=f"{self._layout.digest} in {live}",
            rebuilding=found.fresh is not None,
        )

    def rebuild(self) -> OpenSearchRebuild:
        with self._lock:
            if self._rebuilding is not None:
                raise Conflict("The search index is being rebuilt already.")
            index, lease = self._taken()
            rebuild = OpenSearchRebuild(self, index, lease, self._clock.now, self._end_rebuild)
            self._rebuilding = rebuild
        return rebuild

    # What a rebuild does with the index that it fills

    def apply_to(self, index: str, changes: Sequence[IndexChange]) -> list[Rejection]:
        try:
            return self._apply(index, newest(changes))
        except TargetGone as exc:
            raise Conflict("The rebuild has ended: its index is not there any more.") from exc

    def show(self, index: str, waiting: Callable[[], None]) -> None:
        """Return once searches show all that was applied. `waiting` is called about once a
        second until then."""
        if self._server.serverless:
            self._await_mark(index, waiting)
        else:
            self._server.ask("POST", address(index, "_refresh"), doing=_FILLING)

    def entries_of(self, index: str, limit: int, after: Key | None) -> list[IndexEntry]:
        return self._answers.entries(index, limit, after)

    def versions_of(self, index: str, keys: Sequence[Key]) -> list[int | None]:
        return self._answers.versions(index, keys)

    def swap(self, index: str, grace: float) -> None:
        self._generations.swap(index, grace)

    def drop(self, index: str) -> None:
        self._generations.drop(index)

    def _live(self) -> Aliases:
        return self._generations.aliases()

    def _asked(self, ask: Callable[[str], T]) -> T:
        """What the index that answers says. The alias is asked, never an index by its name: a
        swap is seen at once."""
        self._live()
        try:
            return ask(self._generations.alias)
        except IndexGone:
            self._generations.forget()
            raise

    def _reason(self, index: str) -> str | None:
        """Why an index has to be filled anew."""
        held = self._generations.described(index)
        if held.get("lost"):
            return _LOST
        if not held.get("filled"):
            return "the search index was never filled"
        return self._layout.differences(held).rebuild

    def _apply_to_all(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        wanted = newest(changes)
        found = self._live()
        rejected: dict[Key, Rejection] = {}
        for index in found.written:
            self._fit(index)
            rejected.update((one.key, one) for one in self._apply(index, wanted))
        self._generations.sweep(found)
        if self._versioned:
            self._purge.now_and_then(found.written)
        return list(rejected.values())

    def _apply(self, index: str, wanted: Mapping[Key, IndexChange]) -> list[Rejection]:
        if self._versioned:
            now = self._clock.now()
            put, mark = self._operations.put, self._operations.mark
            operations = [
                put(one) if isinstance(one, Document) else mark(one, now) for one in wanted.values()
            ]
            try:
                return self._bulk.send(own_alias(index), operations)
            except VersionsRefused as exc:
                if self._reread is None or not self._server.serverless:
                    raise Unavailable("The search server takes no versions from outside.") from exc
                self._versioned = False
                log.warning(
                    "The search server takes no versions from outside: records are read again "
                    "instead, until this process ends."
                )
        return self._apply_current(index, wanted)

    def _apply_current(self, index: str, wanted: Mapping[Key, IndexChange]) -> list[Rejection]:
        """The records as they are by now, until none of them has moved meanwhile."""
        assert self._reread is not None
        rejected: dict[Key, Rejection] = {}
        operations = self._reread.wanted(wanted)
        for _ in range(_ROUNDS):
            if not operations:
                return list(rejected.values())
            refused = self._bulk.send(own_alias(index), operations)
            rejected.update((one.key, one) for one in refused)
            operations = self._reread.moved(_taken(operations, rejected))
        raise Unavailable("Records change faster than they can be indexed: try again.", 10)

    def _fit(self, index: str) -> None:
        """Let an index take what was declared since it was made, once in a process."""
        if index in self._fitted:
            return
        held = self._generations.described(index)
        if held.get("format", FORMAT) != FORMAT:
            raise Unavailable(
                "The search index was made by another version: homeport index rebuild.", 60
            )
        different = self._layout.differences(held)
        if different.additive:
            self._generations.add_properties(index, different.additive)
        self._fitted.add(index)

    def _taken(self) -> tuple[str, Lease]:
        """An index to fill, and the right to do so."""
        try:
            self._live()
        except Unavailable:
            self._server.check()  # the live one may be gone: this is how it comes back
        left, index = self._generations.candidate()
        if left is not None:
            lease = self._leased(left)
            held = self._generations.described(left)
            if {**held, **self._layout.described()} == held:
                self._generations.write_to(left)
                return left, lease
            self._generations.drop(left)
        self._generations.begin(index)
        lease = self._leased(index)
        self._generations.write_to(index)
        return index, lease

    def _leased(self, index: str) -> Lease:
        lease = Lease(self._server, index, self._clock.now)
        lease.take()
        if self._generations.superseded(index):  # its rebuild was committed since it was found
            lease.remove()
            raise Conflict("Another process has just ended this rebuild: try again.")
        return lease

    def _end_rebuild(self) -> None:
        self._rebuilding = None

    def _await_mark(self, index: str, waiting: Callable[[], None]) -> None:
        """Send a document of our own last, and look for it."""
        mark = secrets.randbits(62)
        self._server.ask(
            "PUT",
            address(own_alias(index), "_doc", _MARK),
            {"key": _MARK, "version": mark},
            doing=_FILLING,
            params={"require_alias": "true"},
        )
        for _ in range(_LOOKS):
            if self._answers.shows(index, _MARK, mark):
                return
            waiting()
            self._sleep(1.0)
        raise Unavailable("The search index does not show what it was sent: try again later.", 60)

    def _size(self, index: str) -> int | None:
        if self._server.serverless:
            return None
        try:
            answer = self._server.ask(
                "GET", address(index, "_stats", "store"), doing=_STATUS, expected=(400, 403, 404)
            )
        except Refused:
            return None
        return int(answer["_all"]["total"]["store"]["size_in_bytes"])


def _taken(
    operations: Sequence[Operation], rejected: Mapping[Key, Rejection]
) -> dict[Key, IndexChange]:
    return {one.change.key: one.change for one in operations if one.change.key not in rejected}


_ROUNDS: Final = 4
_LOOKS: Final = 120
_MARK: Final = ".visible"
"""No record's: those have commas."""
_LOST: Final = "the search index was deleted, and holds only what has changed since"
_FILLING: Final = "filling a new search index"
_STATUS: Final = "looking at the search index"
