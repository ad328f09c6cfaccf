"""One line for each request, and whatever else the gateway has to say.

Lines go through a buffer that a thread writes out, so that a slow terminal or pipe never holds
up a request. They hold no tokens, query strings or bodies.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, TextIO

from homeport.entrypoints.local.settings import LogFormat

FLUSH_SECONDS: Final = 0.2
BUFFERED: Final = 16 * 1024 * 1024
"""Characters beyond which lines are dropped and counted: a stuck reader must not fill the
memory."""
PIECE: Final = 4096
"""Bytes that are written at once; POSIX promises 512 at least, Linux and macOS keep to this."""
PATH: Final = 1024
"""Characters of a path that a line has."""


def _pieces(lines: Sequence[str]) -> Iterator[str]:
    """The lines, put together while they are short enough for a pipe to take them in one piece:
    several processes may write to it."""
    piece, size = list[str](), 0
    for line in lines:
        length = len(line.encode(errors="replace"))
        if piece and size + length > PIECE:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += length
    if piece:
        yield "".join(piece)


class LogWriter:
    """Writes lines to a stream, from a thread of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._size = 0  # about: threads that add at once may be counted as one until the next flush
        self._dropped = 0
        self._waiting = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="homeport-log", daemon=True)
        self._thread.start()

    def add(self, line: str) -> None:
        """Have a line, which ends in a newline, written soon. Any thread may call."""
        if self._size >= BUFFERED:
            self._dropped += 1
            return
        self._size += len(line)
        self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()

    def close(self) -> None:
        """Write what is left and stop."""
        self._stopped.set()
        self._waiting.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._waiting.wait()
            self._stopped.wait(FLUSH_SECONDS)
            self._waiting.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        # Others append meanwhile: take what is there now, and leave the list itself alone.
        count = len(self._lines)
        lines = self._lines[:count]
        del self._lines[:count]
        self._size = sum(map(len, self._lines))
        if self._dropped:
            lines.append(f'{{"level":"warning","dropped_lines":{self._dropped}}}\n')
            self._dropped = 0
        try:
            for piece in _pieces(lines):
                self._stream.write(piece)
                self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more; requests go on


class AccessLog:
    """Formats requests' lines, as JSON or for people, and hands them to `write`."""

    def __init__(self, write: Callable[[str], None], *, human: bool) -> None:
        self._write = write
        self._second = -1
        self._second_text = ""
        self.request: Final = self._human if human else self._json

    def _json(
        self,
        now: float,
        request_id: str,
        method: str,
        route: str,
        path: str,
        status: int,
        milliseconds: float,
        size: int,
        identity: str | None,
    ) -> None:
        who = "" if identity is None else f',"identity":{quoted(identity)}'
        self._write(
            f'{{"time":"{self._time(now)}","level":"{_level(status)}",'
            f'"request_id":"{request_id}","method":{quoted(method)},"route":"{route}",'
            f'"path":{quoted(path[:PATH])},"status":{status},"ms":{milliseconds:.2f},'
            f'"bytes":{size}{who}}}\n'
        )

    def _human(
        self,
        now: float,
        request_id: str,
        method: str,
        route: str,
        path: str,
        status: int,
        milliseconds: float,
        size: int,
        identity: str | None,
    ) -> None:
        shown = quoted(path[:PATH])[1:-1]
        self._write(
            f"{self._time(now)[11:19]} {status} {method:6} {shown}  {milliseconds:.1f} ms\n"
        )

    def _time(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{int((now - second) * 1000):03d}Z"


def _level(status: int) -> str:
    return "info" if status < 500 else "error"


class StructuredHandler(logging.Handler):
    """Gives what the program logs (faults of handlers and pumps) to the same writer."""

    def __init__(self, write: Callable[[str], None], *, human: bool) -> None:
        super().__init__(logging.INFO)
        self._write = write
        self._human = human

    def emit(self, record: logging.LogRecord) -> None:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        message = record.getMessage()
        if self._human:
            self._write(f"{at[11:]} {record.levelname.lower()}: {message}\n{trace}")
            return
        line = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        if trace:
            line["traceback"] = trace
        self._write(json.dumps(line) + "\n")


def is_human(chosen: LogFormat, stream: TextIO) -> bool:
    """Whether lines are for people to read."""
    return chosen is LogFormat.HUMAN or (chosen is LogFormat.AUTO and stream.isatty())
