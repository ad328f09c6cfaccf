"""The folder of the search index: its generations, and which of them is in use.

    index/CURRENT    {"generation": 3, "schema": "...", "complete": true}
    index/3/         a tantivy index
    index/REBUILD    {"generation": 4, "schema": "...", "place": "..."}, while there is one
    index/4/         what it fills

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
                shutil.rmtree(self.path(one), ignore_errors=True)

    def damage(self, generation: int) -> str | None:
        """What is wrong with a generation's files, None where nothing is.

        tantivy maps its files into memory and trusts them, so each is held against the
        checksum in its footer before that.
        """
        path = self.path(generation)
        try:
            for name in _committed(json.loads((path / _META).read_bytes())):
                if not _is_sound((path / name).read_bytes()):
                    return f"{name} is damaged"
        except OSError as exc:
            return f"its files cannot be read: {exc.strerror}"
        except (ValueError, KeyError, TypeError):
            return f"{_META} is damaged"
        return None

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
        meta = json.loads((self.path(generation) / _META).read_bytes())
        return sum(
            one["max_doc"] - (one["deletes"] or {"num_deleted_docs": 0})["num_deleted_docs"]
            for one in meta["segments"]
        )

    def _generations(self) -> Iterator[int]:
        with contextlib.suppress(OSError):
            for one in self._folder.iterdir():
                if one.name.isdigit():
                    yield int(one.name)


def _committed(meta: Any) -> Iterator[str]:
    """The files of the last commit. What a crash left of later ones does not count."""
    for segment in meta["segments"]:
        name = segment["segment_id"].replace("-", "")
        yield from (f"{name}.{ending}" for ending in _ENDINGS)
        if segment["deletes"] is not None:
            yield f"{name}.{segment['deletes']['opstamp']}.del"


def _is_sound(content: bytes) -> bool:
    end = len(content) - _TAIL
    if end < 0 or content[-4:] != _MAGIC:
        return False
    start = end - int.from_bytes(content[end:-4], "little")
    if start < 0:
        return False
    try:
        footer = json.loads(content[start:end])
        return bool(zlib.crc32(memoryview(content)[:start]) == footer["crc"])
    except (ValueError, KeyError, TypeError):
        return False


_BORROWER_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.01
_POINTER: Final = "CURRENT"
_FILLING: Final = "REBUILD"
_META: Final = "meta.json"
_ENDINGS: Final = ("fast", "fieldnorm", "idx", "pos", "store", "term")
"""The files of every segment."""
_TAIL: Final = 8
"""The footer's length and a magic number, 4 bytes each, end every file of a segment."""
_MAGIC: Final = (1337).to_bytes(4, "little")
