"""The data folder: for its owner's eyes only, and for one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeport.domain.errors import Invalid, Unavailable

LOCK: Final = "lock"
DATABASE: Final = "homeport.db"
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class FolderInUse(Unavailable):
    """Another process has the folder."""


class FolderUnusable(Unavailable):
    """The folder, or the database in it, cannot be read or written. `detail` is what was found
    and what to do about it, which `finding` and `cure` tell apart."""

    def __init__(self, finding: str, cure: str = "") -> None:
        super().__init__(f"{finding} {cure}".rstrip())
        self.finding: Final = finding
        self.cure: Final = cure


class NewerSchema(Invalid):
    """A newer program has written what is in the folder."""


class DataFolder:
    """A folder made and locked for this process, until `close` or the process ends."""

    def __init__(self, path: Path, *, beside: bool = False, to_replace: bool = False) -> None:
        """Make the folder if there is none, and lock it.

        With `beside` it is another process that has made and locked it. What is locked
        `to_replace` it may have lost its data. Raises FolderUnusable, saying what to do, where
        that is not possible, and FolderInUse where another process has it.
        """
        self.path = path
        self._lock = -1
        if beside:
            self._lock = _lock_itself(path, fcntl.LOCK_SH, "is being restored")
            return
        self._lock = _lock_for_one(path, to_replace=to_replace)
        with contextlib.suppress(OSError):  # who has it only serves the message above
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def make_database(self) -> None:
        """Make the database's file if there is none, and let nobody else read it."""
        with contextlib.suppress(OSError):  # SQLite says more of a file that cannot be used
            # In a folder that was there, others may look around; its log gets the same mode.
            os.close(os.open(self.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
        self._keep_to_owner()

    @property
    def database(self) -> Path:
        """Where the database's file stands."""
        return self.path / DATABASE

    def _keep_to_owner(self) -> None:
        """Let nobody else read data that was copied here, or made, with a wider mode."""
        for path in self.path.glob(f"{DATABASE}*"):
            with contextlib.suppress(OSError):  # another user's, who lets this one write
                mode = stat.S_IMODE(path.stat().st_mode)
                if mode & ~_FILE_MODE and path.is_file():
                    path.chmod(mode & _FILE_MODE)

    def close(self) -> None:
        """Let others have the folder. The lock's file stays: removing it would race."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def status_of(path: Path) -> os.stat_result | None:
    """What the system says of a file or folder; None where there is none. Raises FolderUnusable,
    saying what to do, where it does not let this user look."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        cure = _CURES.get(exc.errno or 0, "Set `data_folder` to another one.")
        raise FolderUnusable(f"{path} cannot be read ({exc.strerror}).", cure) from exc


OWNER: Final = "Run homeport as its owner."
_CURES: Final = {
    errno.EACCES: OWNER,
    errno.EPERM: OWNER,
    errno.ENAMETOOLONG: "Choose a data folder with a shorter name.",
}


def _lock_for_one(path: Path, *, to_replace: bool) -> int:
    """Make the folder if there is none, and lock it for this process."""
    lost = None if to_replace else lost_by_restore(path)
    if lost is not None:  # to begin with an empty folder would hide it
        raise FolderUnusable(
            f"A restore of {path.resolve()} was killed: the data that it was to replace are "
            f"in {lost}. Give that its name back, or restore the backup once more."
        )
    try:
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    except (FileExistsError, NotADirectoryError) as exc:
        raise FolderUnusable(f"The data folder {path} is not a folder.") from exc
    except OSError as exc:
        raise FolderUnusable(
            f"The data folder {path} cannot be written ({exc.strerror}). Give this user the "
            "right to write there, or set `data_folder` to another one."
        ) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
        os.close(lock)
        who = f"process {holder}" if holder else "another process"
        raise FolderInUse(
            f"The data folder {path} is in use by {who}. Stop that process, or set "
            "`data_folder` to another one."
        ) from exc
    if _is_at(lock, path / LOCK):
        return lock
    os.close(lock)
    return _lock_for_one(path, to_replace=to_replace)


def _is_at(lock: int, path: Path) -> bool:
    """Whether what was locked is there still: a restore may have put another in its place."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def set_aside(path: Path, process: int | str) -> Path:
    """Where a restore by this process keeps the data folder that it replaces, until it is done."""
    return path.with_name(f".{path.name}.{process}.before-restore")


def left_aside(path: Path) -> list[Path]:
    """What restores of this data folder have left that were killed at their ends."""
    place = path.resolve()
    with contextlib.suppress(OSError):
        return sorted(place.parent.glob(set_aside(Path(glob.escape(str(place))), "*").name))
    return []


def lost_by_restore(path: Path) -> Path | None:
    """Where the data are that lost their name to a restore which was killed before it gave it to
    others; None where there are data, or never were."""
    left = left_aside(path)
    return left[-1] if left and status_of(path / DATABASE) is None else None


@contextlib.contextmanager
def without_guests(path: Path) -> Iterator[None]:
    """While nobody is in the folder beside the process that has it, nor comes into it: for who
    puts another in its place. Raises FolderInUse."""
    lock = _lock_itself(path, fcntl.LOCK_EX, "is in use by a command")
    try:
        yield
    finally:
        os.close(lock)


def _lock_itself(path: Path, how: int, otherwise: str) -> int:
    """Lock the folder itself, which those who only come beside share."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        detail = f"The data folder {path} {otherwise}. Wait until that has ended."
        raise FolderInUse(detail) from exc
    if _is_at(lock, path):
        return lock
    os.close(lock)
    return _lock_itself(path, how, otherwise)
