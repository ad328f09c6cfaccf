"""Lines for a reader who may be slow, or stuck."""

from __future__ import annotations

import io
import json
import threading

from homeport.entrypoints.local import access_log
from homeport.entrypoints.local.access_log import PIECE, AccessLog, LogWriter


class Stuck(io.StringIO):
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.free = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.free.wait(30)
        return super().write(text)


def test_what_waits_for_a_stuck_reader_is_bounded_by_its_size() -> None:
    stream = Stuck()
    writer = LogWriter(stream)
    writer.add("first\n")
    assert stream.entered.wait(30)
    line = "x" * 65_535 + "\n"
    for _ in range(access_log.BUFFERED // len(line) + 10):
        writer.add(line)
    stream.free.set()
    writer.close()
    written = stream.getvalue()
    assert len(written) < access_log.BUFFERED + 1000
    assert written.count(line) == access_log.BUFFERED // len(line)
    assert '"dropped_lines":10}' in written


def test_after_a_flush_there_is_room_again() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    for _ in range(3):
        writer.add("x" * access_log.BUFFERED)
        writer._flush()
    writer.close()
    assert len(stream.getvalue()) == 3 * access_log.BUFFERED


def test_a_long_path_is_cut() -> None:
    lines: list[str] = []
    for human in (False, True):
        log = AccessLog(lines.append, human=human)
        log.request(0.0, "id", "GET", "", "/" + "p" * 60_000, 404, 1.0, 0, None)
    assert json.loads(lines[0])["path"] == "/" + "p" * (access_log.PATH - 1)
    assert len(lines[1]) < access_log.PATH + 100


def test_lines_go_out_in_pieces_that_a_pipe_takes_whole() -> None:
    pieces: list[str] = []

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    writer = LogWriter(Pipe())
    lines = [f"{number} {'é' * (number % 300)}\n" for number in range(300)] + ["x" * 9000 + "\n"]
    for line in lines:
        writer.add(line)
    writer.close()
    assert "".join(pieces) == "".join(lines)
    assert all(piece.endswith("\n") for piece in pieces)
    assert sorted(len(piece.encode()) for piece in pieces)[-2] <= PIECE
    assert len(pieces) < 40
