"""The folder of the search index: its generations, and which of them is in use.

    index/CURRENT    {"generation": 3, "schema": "...", "complete": true}
    index/3/         a tantivy index
    index/REBUILD    {"generation": 4, "schema": "...", "place": "..."}, while there is one
    index/4/         what it fills
    index/SOUND      {"generation": 3, "files": {"...": [...]}}, what need not be read at a start

A rebuild fills the next generation; replacing CURRENT, which is atomic, puts it in use. Both
files are written after what they speak of, so a process may be killed at any point: what stands
in them is true, and a generation that neither names is thrown away.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from homeport.adapters.embedded.folder import FolderInUse


@dataclass(frozen=True, slots=True)
class Current:
    """`complete` once the generation has been filled from all records."""

    generation: int
    schema: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Filling:
    """A generation that is being filled, and how far whoever fills it has come."""

    generation: int
    schema: str
    place: str


class IndexFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def await_borrowers(self) -> None:
        """Wait until the processes have ended that a server lent this index to, where that server
        is gone: they end by themselves, but not before a disk has taken what they write. Raises
        FolderInUse after a while."""
        with self._locked(fcntl.LOCK_EX, _BORROWER_SECONDS):
            pass

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """While this process may be lent the index. Raises FolderInUse where its server is gone and
        another one begins."""
        with self._locked(fcntl.LOCK_SH, 0.0):
            yield

    @contextlib.contextmanager
    def _locked(self, how: int, seconds: float) -> Iterator[None]:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            until = time.monotonic() + seconds
            while True:
                try:
                    fcntl.flock(handle, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError as exc:
                    if time.monotonic() >= until:
                        raise FolderInUse(
                            f"The search index in {self._folder} is still in use by a process of a "
                            "server that has ended. Wait until that has ended too, or end it."
                        ) from exc
                except OSError:
                    break  # no folders are locked there; tantivy has a lock of its own as well
                time.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(handle)

    def current(self) -> Current | None:
        """What CURRENT says; None where it is missing or cannot be read."""
        try:
            said = json.loads((self._folder / _POINTER).read_bytes())
            return Current(int(said["generation"]), str(said["schema"]), said["complete"] is True)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def point_to(self, current: Current) -> None:
        """Replace CURRENT, durably."""
        self._write(_POINTER, asdict(current))

    def unusable(self, schema: str) -> str | None:
        """Why what CURRENT names cannot be used with `schema`; None where it can."""
        current = self.current()
        if current is None:
            return "there is no search index yet"
        if current.schema != schema:
            return "the search index was made for other fields, language or version"
        if not current.complete:
            return "the search index was never filled"
        damage = self.damage(current.generation, anew=False)
        return None if damage is None else f"the search index is damaged: {damage}"

    def filling(self) -> Filling | None:
        """What REBUILD says; None where there is none, it cannot be read, or what it speaks of
        is in use already."""
        try:
            said = json.loads((self._folder / _FILLING).read_bytes())
            filling = Filling(int(said["generation"]), str(said["schema"]), str(said["place"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        current = self.current()
        in_use = current is not None and current.generation == filling.generation
        return None if in_use else filling

    def keep_filling(self, filling: Filling) -> None:
        """Replace REBUILD, durably."""
        self._write(_FILLING, asdict(filling))

    def forget_filling(self) -> None:
        (self._folder / _FILLING).unlink(missing_ok=True)

    def _write(self, name: str, said: dict[str, Any]) -> None:
        """Replace a file, durably."""
        draft = self._folder / f"{name}.new"
        with draft.open("w") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / name)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def path(self, generation: int) -> Path:
        return self._folder / str(generation)

    def next(self) -> int:
        """A number that no generation has had."""
        return max(self._generations(), default=0) + 1

    def keep_only(self, *generations: int) -> None:
        """Delete all other generations."""
        for one in self._generations():
            if one not in generations:
                _delete(self.path(one))

    def damage(self, generation: int, *, anew: bool = True) -> str | None:
        """What is wrong with a generation's files, None where nothing is.

        tantivy maps its files into memory and trusts them, so each is held against the
        checksum in its footer before that; unless `anew`, but for those that are as `keep_sound`
        has noted them.
        """
        path = self.path(generation)
        noted = {} if anew else self._noted(generation)
        try:
            for name in _committed(json.loads((path / _META).read_bytes())):
                if noted.get(name) != _looks(path / name) and not _is_sound(path / name):
                    return f"{name} is damaged"
        except OSError as exc:
            return f"its files cannot be read: {exc.strerror}"
        except (ValueError, KeyError, TypeError):
            return f"{_META} is damaged"
        return None

    def keep_sound(self, generation: int) -> None:
        """Note how the files of the last commit look: they were read, or written by this program,
        and are never changed. A large index would else be read as a whole at each start."""
        path = self.path(generation)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # it is read then
            committed = _committed(json.loads((path / _META).read_bytes()))
            files = {name: _looks(path / name) for name in committed}
            if files != self._noted(generation):
                self._write(_SOUND, {"generation": generation, "files": files})

    def _noted(self, generation: int) -> dict[str, Any]:
        try:
            said = json.loads((self._folder / _SOUND).read_bytes())
            return dict(said["files"]) if said["generation"] == generation else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def state(self, generation: int) -> tuple[int, ...] | None:
        """Other numbers after each commit of a generation, and once another is in use; None where
        that cannot be told. Both files are replaced, never changed."""
        try:
            current = (self._folder / _POINTER).stat()
            meta = (self.path(generation) / _META).stat()
        except OSError:
            return None
        return current.st_ino, current.st_mtime_ns, meta.st_ino, meta.st_mtime_ns, meta.st_size

    def size(self, generation: int) -> int:
        """The bytes of a generation's files, those included that are about to go."""
        total = 0
        with contextlib.suppress(OSError):
            for file in self.path(generation).iterdir():
                with contextlib.suppress(OSError):  # merged away meanwhile
                    total += file.stat().st_size
        return total

    def documents(self, generation: int) -> int:
        """How many documents and removal markers the last commit holds. Raises OSError and
        ValueError where that cannot be read."""
        return sum(self.pieces(generation))

    def pieces(self, generation: int) -> list[int]:
        """... in each of tantivy's segments."""
        meta = json.loads((self.path(generation) / _META).read_bytes())
        return [
            one["max_doc"] - (one["deletes"] or {"num_deleted_docs": 0})["num_deleted_docs"]
            for one in meta["segments"]
        ]

    def room(self) -> int:
        """The bytes that its disk has left for this user; 0 where that cannot be told."""
        with contextlib.suppress(OSError):
            return shutil.disk_usage(self._folder).free
        return 0

    def _generations(self) -> Iterator[int]:
        with contextlib.suppress(OSError):
            for one in self._folder.iterdir():
                if one.name.isdigit():
                    yield int(one.name)


def _delete(generation: Path) -> None:
    """Threads of tantivy may end later than their writer, and leave a file meanwhile."""
    for _ in range(_TRIES):
        shutil.rmtree(generation, ignore_errors=True)
        if not generation.exists():
            return
        time.sleep(_LOOK_SECONDS)


def _committed(meta: Any) -> Iterator[str]:
    """The files of the last commit. What a crash left of later ones does not count."""
    for segment in meta["segments"]:
        name = segment["segment_id"].replace("-", "")
        yield from (f"{name}.{ending}" for ending in _ENDINGS)
        if segment["deletes"] is not None:
            yield f"{name}.{segment['deletes']['opstamp']}.del"


def _looks(path: Path) -> list[int]:
    """What no copy of a file has in common with it, nor one that was written to. Raises OSError."""
    it = path.stat()
    return [it.st_dev, it.st_ino, it.st_size, it.st_mtime_ns, it.st_ctime_ns]


def _is_sound(path: Path) -> bool:
    """Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END) - _TAIL
        if end < 0:
            return False
        file.seek(end)
        tail = file.read(_TAIL)
        start = end - int.from_bytes(tail[:-4], "little")
        if tail[-4:] != _MAGIC or start < 0:
            return False
        file.seek(start)
        try:
            expected = json.loads(file.read(end - start))["crc"]
        except (ValueError, KeyError, TypeError):
            return False
        file.seek(0)
        found = 0
        while start > 0:
            piece = file.read(min(start, _PIECE))
            if not piece:
                return False
            found = zlib.crc32(piece, found)
            start -= len(piece)
        return bool(found == expected)


_BORROWER_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.01
_TRIES: Final = 3
_POINTER: Final = "CURRENT"
_FILLING: Final = "REBUILD"
_SOUND: Final = "SOUND"
_META: Final = "meta.json"
_ENDINGS: Final = ("fast", "fieldnorm", "idx", "pos", "store", "term")
"""The files of every segment."""
_TAIL: Final = 8
"""The footer's length and a magic number, 4 bytes each, end every file of a segment."""
_MAGIC: Final = (1337).to_bytes(4, "little")
_PIECE: Final = 1 << 20
"""Bytes of a file that are read at a time."""
