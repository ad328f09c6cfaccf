"""One tantivy index in one folder: writing to it, and reading what was committed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import tantivy

from homeport.adapters.embedded.folder import FolderUnusable
from homeport.adapters.embedded.priority import give_way
from homeport.adapters.embedded.search_pages import PageReader
from homeport.adapters.embedded.search_query import QueryTranslator
from homeport.adapters.embedded.search_schema import SearchSchema, key_text
from homeport.domain import limits
from homeport.domain.errors import HomeportError, Unavailable
from homeport.domain.model.document import (
    Document,
    IndexChange,
    IndexEntry,
    Rejection,
)
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.pauses import Pause, go_on


class Generation:
    """Safe to use from several threads: writes wait for each other, reads never wait.

    Creating one opens what is in the folder, or makes a new index where there is none. Raises
    Unavailable where it cannot be opened. One that is to be filled from all records takes more
    memory to write with, until `filled`. `now` is in microseconds since 1970: what stays of
    removals goes when the retention period of deleted records is over.
    """

    def __init__(
        self,
        number: int,
        folder: Path,
        schema: SearchSchema,
        now: Callable[[], int],
        *,
        filling: bool = False,
    ) -> None:
        self.number: Final = number
        self._filling = filling
        self._schema = schema
        self._writing = threading.Lock()
        self._writer: tantivy.IndexWriter | None = None
        self._pending: dict[str, IndexChange] = {}
        self._lost = False
        self._looks_due = 0
        """How often to have threads give way yet. Opening and each commit start some, which have
        their names a moment later, and then the next changes to work on."""
        self._now = now
        self._purged = 0
        self._folder = folder
        with translated():
            folder.mkdir(parents=True, exist_ok=True)
            self._open_index()

    def apply(
        self,
        changes: Sequence[IndexChange],
        *,
        commit: bool = True,
        pause: Pause = go_on,
    ) -> list[Rejection]:
        """Without `commit` the changes are kept in memory, for a while or until `commit`. `pause`
        is called after each. What is rejected leaves the index as it was."""
        rejections = []
        newest: dict[str, IndexChange] = {}
        for change in changes:
            name = key_text(change.key)
            if name not in newest or change.version > newest[name].version:
                newest[name] = change
        with self._writing, self._undoing():
            writer = self._open_writer()
            if self._looks_due:
                self._looks_due -= 1
                give_way()
            seen = self._versions(list(newest))
            # By key: where a space's documents lie side by side, a search in it passes over
            # what lies between, instead of going through it with each word.
            for name, change in sorted(newest.items()):
                known = seen.get(name)
                if known is not None and change.version <= known:
                    continue
                try:
                    document = self._document(change)
                except ValueError as exc:
                    rejections.append(Rejection(change.key, str(exc)))
                else:
                    if known is not None:
                        writer.delete_documents_by_term("key", name)
                    # Where this fails, the writer is dead, and would take no other either.
                    writer.add_document(document)
                    # No more of it than its key and version is looked at.
                    self._pending[name] = _bare(change)
                pause()
            if commit or len(self._pending) >= _PENDING:
                self._commit()
        return rejections

    def commit(self) -> None:
        """Make everything that was applied durable and found."""
        with self._writing, self._undoing():
            self._commit()

    def filled(self) -> None:
        """Commit, and from now on write with little memory."""
        self.commit()
        self._filling = False
        self.close()

    def refresh(self) -> None:
        """See what another process has committed."""
        with self._writing, translated():
            self._index.reload()
            self._reader = self._read()

    def search(self, query: SearchQuery) -> SearchPage:
        with translated():
            return self._reader.page(query)

    def entries(self, limit: int, after: Key | None) -> list[IndexEntry]:
        with translated():
            return self._reader.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        """Of documents alone, what is not committed included."""
        names = [key_text(key) for key in keys]
        with self._writing:
            pending = {name: self._pending[name] for name in names if name in self._pending}
            reader = self._reader
        with translated():
            asked = [name for name in names if name not in pending]
            found: dict[str, int | None] = {**reader.versions(asked, markers=False)}
        for name, change in pending.items():
            found[name] = change.version if isinstance(change, Document) else None
        return [found.get(name) for name in names]

    def documents(self) -> int:
        with translated():
            return self._reader.documents()

    def close(self) -> None:
        """Let go of the folder, once the merges that are going on have ended. The next change
        takes it again."""
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                with contextlib.suppress(ValueError):
                    writer.wait_merging_threads()

    def _commit(self) -> None:
        if self._pending:
            writer, now = self._open_writer(), self._now()
            if now - self._purged >= _PURGING:
                self._purged = now
                writer.delete_documents_by_query(self._translator.expired(now))
            writer.commit()
            self._looks_due = _LOOKS
            self._pending.clear()
            self._index.reload()
            self._reader = self._read()

    def _open_index(self) -> None:
        self._index = _open(self._folder, self._schema)
        self._index.config_reader("manual")
        self._schema.register(self._index)
        self._index.reload()
        self._translator = QueryTranslator(self._schema, self._index)
        self._reader = self._read()

    def _read(self) -> PageReader:
        return PageReader(self._schema, self._translator, self._index.searcher())

    def _versions(self, names: list[str]) -> dict[str, int]:
        """The versions that the index has seen of these keys, removals included."""
        found = self._reader.versions(names)
        found.update((name, self._pending[name].version) for name in names if name in self._pending)
        return found

    def _document(self, change: IndexChange) -> tantivy.Document:
        """Raises ValueError for what tantivy does not take, also where it panics about it."""
        try:
            if isinstance(change, Document):
                return self._schema.document(change)
            return self._schema.marker(change, self._now() + _RETENTION)
        except BaseException as exc:
            if _is_panic(exc):
                raise ValueError(str(exc)) from exc
            raise

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            # Another process may have written meanwhile. tantivy reads only when it opens an index
            # which files are its own: those of another's it would never delete.
            self._open_index()
            heap = _FILLING_HEAP_BYTES if self._filling else _HEAP_BYTES
            self._writer = self._index.writer(heap_size=heap, num_threads=1)
            self._looks_due = _LOOKS
            # tantivy gives what a writer does first the number of the last commit. Segments that
            # it begins to merge before the next one take that for done, some with it and some
            # without: a removal would be lost. So this comes first, which removes nothing.
            self._writer.delete_documents_by_term("key", "")
        return self._writer

    @contextlib.contextmanager
    def _undoing(self) -> Iterator[None]:
        """Drop what is not committed where something fails. Changes of earlier calls among it
        are lost for good, and with them the use of this generation."""
        if self._lost:
            raise Unavailable("Changes were lost on their way into the search index.")
        earlier = len(self._pending)
        try:
            with translated():
                yield
        except Unavailable:
            self._lost = earlier > 0
            self._pending.clear()
            self._writer = None
            raise


def _bare(change: IndexChange) -> IndexChange:
    if isinstance(change, Document):
        return Document(change.key, change.version, change.author)
    return change


def _open(folder: Path, schema: SearchSchema) -> tantivy.Index:
    """The index in a folder; where there was none, an empty one.

    Each hit's key is read from the document store, whose blocks tantivy would compress, 16 KB
    each: unpacking them took as long as the search itself. Its Python package has no parameter
    for that, but the settings stand in a file that it reads when it opens an index.
    """
    settings_file = folder / "meta.json"
    fresh = not settings_file.exists()
    index = tantivy.Index(schema.fields, str(folder))
    if not fresh:
        return index
    settings = json.loads(settings_file.read_bytes())
    settings["index_settings"] |= _STORE
    settings_file.write_text(json.dumps(settings))
    return tantivy.Index(schema.fields, str(folder))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """tantivy's errors as Unavailable, the panics that it raises outside Exception included. Where
    nothing is wrong with the index itself, but with its disk or the rights to it, FolderUnusable.
    Clients may see what they say: it names no files."""
    try:
        yield
    except HomeportError:
        raise
    except Exception as exc:
        raise _unavailable(exc) from exc
    except BaseException as exc:
        if _is_panic(exc):
            raise Unavailable("The search index is damaged.") from exc
        raise


def _unavailable(exc: Exception) -> Unavailable:
    number = exc.errno if isinstance(exc, OSError) else None
    said = _OS_ERROR.search(str(exc))
    if number is None and said is not None:
        number = int(said[1] or said[2])
    if number is not None:
        finding = f"The search index cannot be read or written ({os.strerror(number)})."
        cure = _CURES.get(number)
        return Unavailable(finding) if cure is None else FolderUnusable(finding, cure)
    if _KILLED in str(exc):
        return Unavailable("The search index cannot be written: its disk may be full.")
    return Unavailable("The search index does not answer.")


def _is_panic(exc: BaseException) -> bool:
    return type(exc).__name__ == "PanicException"


_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)|Os \{ code: (\d+)")
"""How Rust tells of what the system refuses."""
_KILLED: Final = "index writer was killed"
"""What tantivy says of a thread that has met such a thing, and of no more than that."""
_MORE_ROOM: Final = "Make room on its disk."
_MORE_FILES: Final = "Let this process have more open files."
_MORE_RIGHTS: Final = "Give this user the right to write in its folder."
_CURES: Final = {
    errno.ENOSPC: _MORE_ROOM,
    errno.EDQUOT: _MORE_ROOM,
    errno.EFBIG: "Let this process have larger files.",
    errno.EMFILE: _MORE_FILES,
    errno.ENFILE: _MORE_FILES,
    errno.EACCES: _MORE_RIGHTS,
    errno.EPERM: _MORE_RIGHTS,
    errno.EROFS: "Let its disk be written to.",
    errno.EIO: "Look at its disk.",
}
"""Where an index that is made anew would come to no more."""
_RETENTION: Final = limits.RETENTION_SECONDS * 1_000_000
_PURGING: Final = 3600 * 1_000_000
"""Microseconds between two looks for what has expired."""
_STORE: Final = {"docstore_compression": "none", "docstore_blocksize": 2048}
_HEAP_BYTES: Final = 20_000_000
_FILLING_HEAP_BYTES: Final = 60_000_000
"""Below 30 MB a long stream is cut into many segments, and most time goes to merging them."""
_LOOKS: Final = 2
_PENDING: Final = 20_000
"""Changes in memory before they are committed without being asked."""
