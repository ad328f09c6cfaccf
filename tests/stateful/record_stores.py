"""Record stores agree: reads, conditional writes, batches, pages, changes, scans, memberships."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain import limits
from homeport.domain.model import versions
from homeport.domain.model.data import Data
from homeport.domain.model.membership import OWNERS, READERS, WRITERS, Membership, Role
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Delete, Expect, Guard, Patch, Put, Write
from homeport.domain.ports.record_store import ChangePage, Order, RecordPage, RecordStore
from homeport.testing.histories import Reader
from tests.stateful.agreement import Agreement, Pair, StepIds, step

SPACES: Final = ("home", "team", ".hidden")
COLLECTIONS: Final = ("notes", "tasks")
PEOPLE: Final = ("anna", "ben")
GUARDS: Final = {"reader": READERS, "writer": WRITERS, "owner": OWNERS, "nobody": frozenset[Role]()}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "empty": {},
    "one": {"n": 1},
    "exact": {"n": Decimal("0.10"), "big": 10**37, "float": 1.5},
    "nested": {"a": {"b": [1, {"c": None}], "é": "\x00日本"}},
    "large": {"text": "x" * 350_000},
    "too large": {"text": "x" * 420_000},
}
PATCHES: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    "one": {"n": 2, "a": {"b": None, "d": Decimal("1E+2")}},
    "clear": {"n": None, "text": None, "a": None},
    "grow": {"more": "é" * 150_000},
}
MONTH: Final = limits.RETENTION_SECONDS

Wanted: TypeAlias = tuple[str, str, str, Expect | int]
"""One write: "put", "patch" or "delete", a key, the name of a body or patch, and what is
expected: a number is a version, counted from the present one."""
Guarded: TypeAlias = tuple[str, str, str] | None
"""A space, an identity and a name of GUARDS."""

GOOD_KEYS: Final = (
    "home/notes/a",
    "home/notes/A",
    "home/notes/b-1",
    "home/tasks/a",
    "team/notes/a",
    ".hidden/notes/a",
)
BAD_KEYS: Final = ("home/Notes/a", "home/notes/.a", "?/notes/a")

# What is drawn more often stands there more than once: refused writes make no histories.
keys = st.sampled_from((*GOOD_KEYS * 3, *BAD_KEYS))
bodies = st.sampled_from((*list(BODIES) * 2, "one", "large"))
patches = st.sampled_from(list(PATCHES))
expectations = st.sampled_from((*[Expect.ANYTHING] * 4, 0, 0, *Expect, -1, 1))
wanted_writes = st.one_of(
    st.tuples(st.just("put"), keys, bodies, expectations),
    st.tuples(st.just("patch"), keys, patches, expectations),
    st.tuples(st.just("delete"), keys, st.just(""), expectations),
)
people = st.sampled_from(PEOPLE)
mostly_not = st.sampled_from((False, False, False, True))
guards: st.SearchStrategy[Guarded] = mostly_not.flatmap(
    lambda guarded: (
        st.tuples(st.sampled_from(("team", "home")), people, st.sampled_from(list(GUARDS)))
        if guarded
        else st.none()
    )
)
spaces = st.sampled_from(("home", *SPACES))
collections = st.sampled_from(("notes", *COLLECTIONS))
orders = st.sampled_from([str(one) for one in Order])
sizes = st.sampled_from((1, 1, 2, 2, 3, 100, 0, 101))


class RecordStores(Agreement[RecordStore]):
    smaller: ClassVar = {
        "BATCH_WRITES": 4,
        "GET_KEYS": 4,
        "SPACES": 3,
        "TRANSACTION_BYTES": 1_000_000,
    }

    places: Bundle[Position] = Bundle("places")

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[tuple[str, str | None, int], Pair[Reader]] = {}

    def made(self, ids: StepIds) -> RecordStore:
        return MemoryRecordStore(self.clock, ids)

    def opened(self, ids: StepIds) -> RecordStore:
        self.database = Database(self.folder)
        return EmbeddedRecordStore(self.database, self.clock, ids)

    def closed(self) -> None:
        self.database.close()

    # Writing

    @step(
        target=places,
        key=keys,
        body=bodies,
        author=people,
        expect=expectations,
        by_author_only=mostly_not,
        guard=guards,
        first=st.sampled_from(("", "digest")),
    )
    def put(
        self,
        key: str,
        body: str,
        author: str,
        expect: Expect | int,
        by_author_only: bool = False,
        guard: Guarded = None,
        first: str = "",
    ) -> Any:
        return self._write([("put", key, body, expect)], author, by_author_only, guard, first)

    @step(
        target=places,
        key=keys,
        patch=patches,
        author=people,
        expect=expectations,
        by_author_only=mostly_not,
    )
    def patch(
        self, key: str, patch: str, author: str, expect: Expect | int, by_author_only: bool = False
    ) -> Any:
        return self._write([("patch", key, patch, expect)], author, by_author_only)

    @step(target=places, key=keys, author=people, expect=expectations, by_author_only=mostly_not)
    def delete(
        self, key: str, author: str, expect: Expect | int, by_author_only: bool = False
    ) -> Any:
        return self._write([("delete", key, "", expect)], author, by_author_only)

    @step(
        target=places,
        writes=st.lists(wanted_writes, min_size=1, max_size=5),
        author=people,
        guard=guards,
    )
    def write(self, writes: Sequence[Wanted], author: str, guard: Guarded = None) -> Any:
        return self._write(writes, author, guard=guard)

    @step(target=places, keys=st.lists(st.sampled_from(GOOD_KEYS), max_size=5, unique=True))
    def write_all(self, keys: Sequence[str]) -> Any:
        return self._write([("put", key, "one", Expect.ANYTHING) for key in keys], "anna")

    def _write(
        self,
        writes: Sequence[Wanted],
        author: str,
        by_author_only: bool = False,
        guard: Guarded = None,
        first: str = "",
    ) -> Any:
        asked = [self._asked(one, author, by_author_only, first) for one in writes]
        written = self.both(lambda store: store.write(asked, guard_of(guard)), whole)
        return multiple(*(record.position for record in written[0])) if written else multiple()

    def _asked(self, wanted: Wanted, author: str, by_author_only: bool, first: str) -> Write:
        kind, text, body, expect = wanted
        key = key_of(text)
        if isinstance(expect, int):
            current = self.reference.get(key)
            expect += 1 if current is None else current.version
        if kind == "put":
            return Put(key, author, Data.of(BODIES[body]), expect, by_author_only, first)
        if kind == "patch":
            return Patch(key, author, PATCHES[body], expect, by_author_only)
        return Delete(key, author, expect, by_author_only)

    # Reading

    @step(key=keys, guard=guards)
    def get(self, key: str, guard: Guarded = None) -> None:
        self.both(lambda store: store.get(key_of(key), guard_of(guard)), exact)

    @step(keys=st.lists(keys, max_size=5))
    def get_many(self, keys: Sequence[str]) -> None:
        self.both(lambda store: store.get_many([key_of(key) for key in keys]), whole)

    @step(
        target=places,
        space=spaces,
        collection=collections,
        order=orders,
        limit=sizes,
        after=st.none() | places,
        guard=guards,
    )
    def page(
        self,
        space: str,
        collection: str,
        order: str,
        limit: int,
        after: Position | None = None,
        guard: Guarded = None,
    ) -> Any:
        """Two stores may go on from different places among tombstones: both are then tried."""
        given = self.both(
            lambda store: store.page(
                space, collection, Order(order), limit, after, guard_of(guard)
            ),
            _page,
        )
        nexts = dict.fromkeys(one.next for one in given or () if one.next is not None)
        return multiple(*nexts)

    @step(
        space=spaces,
        collection=collections,
        order=orders,
        limit=st.sampled_from((1, 2, 100)),
    )
    def list_all(self, space: str, collection: str, order: str, limit: int) -> None:
        """Page by page, each store from the places that it gave itself."""

        def listed(store: RecordStore) -> list[Record]:
            found: list[Record] = []
            after = None
            for _ in range(100):
                page = store.page(space, collection, Order(order), limit, after)
                found += page.records
                after = page.next
                if after is None:
                    return found
            raise AssertionError("a list does not end")

        self.both(listed, whole)

    @step(
        target=places,
        space=spaces,
        collection=st.none() | collections,
        after=st.just(Position(0)) | places,
        limit=sizes,
        through=st.none() | places,
        guard=guards,
        besides=st.sampled_from(((), ("notes",), COLLECTIONS)),
    )
    def changes(
        self,
        space: str,
        collection: str | None,
        after: Position,
        limit: int,
        through: Position | None = None,
        guard: Guarded = None,
        besides: Iterable[str] = (),
    ) -> Any:
        end = None if through is None else through.version
        left_out = frozenset(besides) if collection is None else frozenset[str]()
        given = self.both(
            lambda store: store.changes(
                space, collection, after, limit, end, guard_of(guard), left_out
            ),
            _changes,
        )
        return multiple(*(one.position for one in given[0].records[-1:])) if given else multiple()

    @step(space=spaces, collection=st.none() | collections, limit=st.sampled_from((1, 2, 10)))
    def pull(self, space: str, collection: str | None, limit: int) -> None:
        """Beside each store there is a client that keeps checkpoints, for each way to ask."""
        asked = (space, collection, limit)
        readers = self.readers.setdefault(
            asked, (Reader(collection, limit), Reader(collection, limit))
        )
        ours = readers[0].pull(self.reference, space)
        theirs = readers[1].pull(self.tested, space)
        self.same((ours, readers[0]), (theirs, readers[1]))

    @step(segments=st.integers(1, 3), limit=st.sampled_from((1, 2, 100)))
    def scan(self, segments: int, limit: int) -> None:
        """Each store cuts itself up as it likes: all segments together hold the same."""

        def everything(store: RecordStore) -> list[Record]:
            found: list[Record] = []
            for segment in range(segments):
                after = None
                for _ in range(100):
                    page = store.scan(segment, segments, limit, after)
                    if not page:
                        break
                    found += page
                    after = page[-1].key
                else:
                    raise AssertionError("a scan does not end")
            return sorted(found, key=lambda record: record.key)

        self.both(everything, whole)

    @step(segment=st.sampled_from((-1, 2, 3)), limit=st.sampled_from((0, 1)))
    def scan_what_is_not_there(self, segment: int, limit: int) -> None:
        self.both(lambda store: store.scan(segment, 2, limit))

    # Memberships

    @step(
        space=st.sampled_from(("team", "trip", "club", "band")),
        identity=people,
        role=st.sampled_from([str(one) for one in Role]),
        guard=guards,
    )
    def put_membership(
        self,
        space: str,
        identity: str,
        role: str,
        guard: Guarded = None,
    ) -> None:
        membership = Membership(space, identity, Role(role))
        self.both(lambda store: store.put_membership(membership, guard_of(guard)))

    @step(space=st.sampled_from(("team", "trip", "void")), identity=people, guard=guards)
    def remove_membership(self, space: str, identity: str, guard: Guarded = None) -> None:
        self.both(lambda store: store.remove_membership(space, identity, guard_of(guard)))

    @step(space=st.sampled_from(("team", "trip", "void")), identity=people)
    def who_is_a_member(self, space: str, identity: str) -> None:
        self.both(lambda store: store.membership(space, identity))
        self.both(lambda store: store.members(space))
        self.both(lambda store: store.memberships(identity))

    # Time

    @step(seconds=st.sampled_from((0.001, 60, MONTH, -3600)))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @step()
    def purge(self) -> None:
        """Maintenance: tombstones older than a month go, for good."""
        for store in (self.reference, self.tested):
            purge(store, self.clock.now())

    def compare_all(self) -> None:
        self.scan(segments=1, limit=100)
        for order, limit in itertools.product(Order, (1, 100)):
            self.list_all(space="home", collection="notes", order=str(order), limit=limit)
        for space in (*SPACES, "trip", "club", "band"):
            self.changes(space=space, collection=None, after=Position(0), limit=100)
            for identity in PEOPLE:
                self.who_is_a_member(space=space, identity=identity)


def purge(store: RecordStore, now: int) -> None:
    """What maintenance does in the data file; the store in memory keeps tombstones for ever."""
    if isinstance(store, EmbeddedRecordStore):
        store.purge_tombstones()
        return
    assert isinstance(store, MemoryRecordStore)
    oldest = versions.earliest(now - limits.RETENTION_SECONDS * 1_000_000)
    for key, record in list(store._records.items()):
        if record.deleted and record.version < oldest:
            del store._records[key]
            collection = store._spaces[key.space][key.collection]
            collection.ids.remove(key.id)
            collection.updates.remove(record.position)
            store._updates[key.space].remove(record.position)


def key_of(text: str) -> Key:
    return Key(*text.split("/"))


def guard_of(guard: Guarded) -> Guard | None:
    return None if guard is None else Guard(guard[0], guard[1], GUARDS[guard[2]])


def exact(record: Record | None) -> object:
    """With its data as text, to the order of names."""
    if record is None:
        return None
    text = None if record.data is None else record.data.text
    return (*record._replace(data=None), text)


def whole(records: Iterable[Record | None]) -> object:
    return [exact(record) for record in records]


def _page(page: RecordPage) -> object:
    return whole(page.records), page.next is None


def _changes(page: ChangePage) -> object:
    return whole(page.records), page.horizon, page.more
