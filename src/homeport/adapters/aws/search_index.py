"""Full-text search on Amazon CloudSearch."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_documents import Operation, Operations, plain_operation
from homeport.adapters.aws.search_errors import DOCUMENT_SETTING, SEARCH_SETTING
from homeport.adapters.aws.search_fields import index_fields, stems
from homeport.adapters.aws.search_rebuild import CloudSearchRebuild, Notes, Visibility
from homeport.adapters.aws.search_truth import SeenVersions, StoreTruth, Truth
from homeport.adapters.aws.search_uploads import Uploads
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.record import Key
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.search_index import Capability

if TYPE_CHECKING:
    from mypy_boto3_cloudsearchdomain import CloudSearchDomainClient

    from homeport.adapters.aws.search_answers import Answers
    from homeport.domain.model.query import SearchPage, SearchQuery

log: Final = logging.getLogger("homeport.search")


class CloudSearchIndex:
    """One domain, which has the fields of `search_fields.index_fields`.

    `store` gives the records: what it has is what is indexed, and changes only say of which
    records (`search_truth` says why). Without it the index goes by the changes' versions; then
    only one process may write. The endpoints are the domain's, with or without `https://`.
    `language` is that of the domain's analysis scheme. `sleep` waits for so many seconds.

    Applying takes a second longer than CloudSearch does, and what was applied is found some
    seconds later. Safe to use from several threads; they apply one after the other.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        catalog: Catalog,
        store: Callable[[], RecordStore] | None,
        *,
        search_endpoint: str | None,
        document_endpoint: str | None,
        language: str = "en",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        def client(endpoint: str | None, setting: str) -> CloudSearchDomainClient:
            if endpoint is None:
                raise Unavailable(f"No endpoint of a CloudSearch domain is set: set {setting}.")
            address = endpoint if "://" in endpoint else f"https://{endpoint}"
            try:
                return clients.get("cloudsearchdomain", address)
            except ValueError as exc:
                raise Unavailable(f"What {setting} says is no address.") from exc

        operations = Operations(catalog)
        self._catalog: Final = catalog
        self._operations: Final = operations
        self._asked: Final = lambda: client(search_endpoint, SEARCH_SETTING)
        self._uploads: Final = Uploads(lambda: client(document_endpoint, DOCUMENT_SETTING), sleep)
        self._truth: Final[Truth] = (
            SeenVersions(self._answers.versions, operations, clock)
            if store is None
            else StoreTruth(store, catalog, operations)
        )
        self._visibility: Final = Visibility(self._send_plain, self._shows, sleep)
        self._notes: Final = Notes(self._own, self._send_own, clock)
        self._language = language
        self._applying: Final = threading.Lock()
        self._unseen = False
        self._worker: object | None = None

    @cached_property
    def _answers(self) -> Answers:
        """Not loaded by who indexes and never asks: it is most of this adapter."""
        from homeport.adapters.aws.search_answers import Answers
        from homeport.adapters.aws.search_query import QueryTranslator

        return Answers(self._asked, QueryTranslator(self._catalog), self._operations)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.STEMMING} if stems(self._language) else ())

    @property
    def in_place(self) -> bool:
        return True

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where one of the endpoints does not answer, or
        the domain lacks a field. Not of the port."""
        self._answers.entries(1, None)
        self._uploads.check()

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """As the port says. A record that is written faster than it can be indexed is left as
        it last was: its next change is on its way here already."""
        rejections, _ = self._apply(changes)
        return rejections

    def apply_whole(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """The same beside whoever follows the changes: no older record than theirs is left in
        the index. Raises Unavailable where that cannot be told, since one is written all the
        time."""
        rejections, moving = self._apply(changes)
        if moving:
            raise Unavailable("Records change faster than they can be indexed: try again.", 10)
        return rejections

    def search(self, query: SearchQuery) -> SearchPage:
        return self._answers.page(query)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        if after is None:
            self.await_visible()
        return self._answers.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        self.await_visible()
        found = self._answers.versions(keys, markers=False)
        return [found.get(key) for key in keys]

    def status(self) -> IndexStatus:
        """As CloudSearch shows it, some seconds later than it is. It tells no size."""
        layout = hashlib.blake2b(repr(index_fields(self._language)).encode(), digest_size=6)
        rebuilding = self._worker is not None or self._notes.current() is not None
        return IndexStatus(self._answers.documents(), None, layout.hexdigest(), rebuilding)

    def rebuild(self) -> CloudSearchRebuild:
        """Begin to rebuild in place, or go on: see `search_rebuild`."""
        worker = object()

        def end() -> bool:
            with self._applying:
                mine = self._worker is worker
                self._worker = None if mine else self._worker
            return mine

        with self._applying:
            if self._worker is not None:
                raise Conflict("The search index is being rebuilt already.")
            self._worker = worker
        try:
            return CloudSearchRebuild(self, self._notes, end)
        except BaseException:
            end()
            raise

    def await_visible(self) -> None:
        """Return once searches show all that was applied before."""
        if self._unseen:
            self._unseen = False
            try:
                self._visibility.wait()
            except BaseException:
                self._unseen = True
                raise

    def _apply(self, changes: Sequence[IndexChange]) -> tuple[list[Rejection], bool]:
        """What CloudSearch does not take, and whether a record was still changing at last."""
        rejections: dict[Key, Rejection] = {}
        with self._applying:
            operations = self._truth.wanted(changes)
            self._unseen = self._unseen or bool(operations)
            for _ in range(_ROUNDS):
                if not operations:
                    break
                _report(operations)
                refused = {one.key: one for one in self._uploads.send(operations)}
                rejections.update(refused)
                taken = [one for one in operations if one.change.key not in refused]
                operations = self._truth.follow_up(taken)
        return list(rejections.values()), bool(operations)

    def _send_plain(self, id: str, held: dict[str, str] | None) -> None:
        with self._applying:
            self._uploads.send([plain_operation(id, held)])

    def _shows(self, wanted: str) -> bool:
        return self._answers.shows(wanted)

    def _own(self, id: str) -> str | None:
        return self._answers.own(id)

    def _send_own(self, id: str, text: str | None) -> None:
        """Where `Answers.own` finds it."""
        held = None if text is None else {fields.KEY: id, fields.VERSION: text}
        self._unseen = True
        self._send_plain(id, held)


def _report(operations: Sequence[Operation]) -> None:
    """Say what of a document CloudSearch does not get, without showing any of it."""
    for one in operations:
        if one.lost:
            what = ", ".join(f"{reason} ({count})" for reason, count in one.lost.items())
            key = "/".join(one.change.key)
            log.warning("The search index gets %s without what is: %s", key, what)


_ROUNDS: Final = 4
