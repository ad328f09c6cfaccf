"""What the loads are, for any server: requests are made by the peer, and put together here."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks.harness import wrk
from benchmarks.harness.process import Running
from benchmarks.harness.traffic import Request, checked, write
from benchmarks.harness.wrk import Load

GET: Final = "GET one"
CREATE: Final = "create"
MERGE: Final = "merge patch"
LIST: Final = "list 20 newest"
LIST_UNCOUNTED: Final = "list 20 newest, uncounted"
MIXED: Final = "mixed 80/15/5"
SEARCH_OWN: Final = "search a word in own records"
SEARCH_FREQUENT: Final = "search a frequent own word"
SEARCH_RARE: Final = "search a rare own word"
SEARCH_ALL: Final = "search a word in all records"
SEARCH_ALL_UNCOUNTED: Final = "search a word in all records, uncounted"
KINDS: Final = 2000
"""How many different requests a load has: enough to be all over the data."""
_TOLERANCE: Final = 0.3
"""How much longer or shorter than the checked ones the answers may be, in the mean of as many."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it was loaded."""

    owner: int
    id: str
    data: dict[str, Any]

    @property
    def lasting(self) -> dict[str, Any]:
        """What no load changes of it."""
        return {name: self.data[name] for name in ("title", "body", "kind")}


class Peer(Protocol):
    """A server with records in it."""

    name: str
    running: Running
    rows: Sequence[Row]

    def request(self, operation: str, number: int, chance: random.Random) -> Request:
        """One of an operation's requests, with a check of its answer."""
        ...

    def freshen(self) -> None:
        """Renew tokens that would not last for another load."""
        ...

    def settle(self, patience: float = 900.0) -> float:
        """Wait until nothing goes on in the background; returns the seconds until all that was
        written had its place in the index."""
        ...

    def merge_rows(self, path: Path) -> bool:
        """Write what merges at a known version start from; False where there are none."""
        ...


def requests(peer: Peer, operation: str, count: int = KINDS) -> list[Request]:
    """The same ones at each call, and no more than there are records."""
    count = min(count, len(peer.rows))
    chance = random.Random(operation)
    if operation != MIXED:
        return [peer.request(operation, number, chance) for number in range(count)]
    mix = [GET] * 80 + [CREATE] * 8 + [MERGE] * 7 + [SEARCH_OWN] * 5
    return [peer.request(chance.choice(mix), number, chance) for number in range(count)]


def measured(
    peer: Peer,
    operation: str,
    folder: Path,
    seconds: float,
    *,
    connections: int = wrk.CONNECTIONS,
    kinds: int = KINDS,
) -> Load:
    """Put a load on a server that is at rest, beginning anywhere in its requests.

    Answers are checked on a sample before; those of the load itself must be good ones, and as
    long as the checked ones. Raises RuntimeError where they are not.
    """
    peer.freshen()
    wanted = requests(peer, operation, kinds)
    size = checked(peer.running.address, wanted, _CHECKED)
    path = folder / "traffic"
    if operation == MERGE and peer.merge_rows(path):
        script = wrk.MERGE_IF_MATCH
    else:
        script = wrk.REPLAY
        host = peer.running.address
        write(path, (one.raw(host) for one in wanted))
    peer.settle()
    load = wrk.wrk(
        peer.running.address,
        path,
        seconds,
        connections=connections,
        script=script,
        seed=random.randrange(KINDS),
    )
    if not load.rate:
        late = f"{peer.name}, {operation}: no answer within {seconds:g} s: give it more `--seconds`"
        raise RuntimeError(late)
    if load.bad:
        raise RuntimeError(f"{peer.name}, {operation}: {load.bad} answers were no good ones")
    answers = load.rate * wrk.whole(seconds)
    if answers >= _CHECKED and abs(load.size - size) > _TOLERANCE * size:
        raise RuntimeError(
            f"{peer.name}, {operation}: {answers:.0f} answers of {load.size:.0f} bytes,"
            f" but {size:.0f} expected"
        )
    # What its pumps have put off is not for the next one's turn.
    return replace(load, owed=peer.settle())


@contextmanager
def several(*peers: Any) -> Iterator[list[Any]]:
    """Context managers entered side by side."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield [stack.enter_context(one) for one in peers]


_CHECKED: Final = 100
"""Requests of a load whose answers are checked before it."""
