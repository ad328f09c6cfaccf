"""What could not be delivered, wherever it is kept: looked at, tried again, or dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from homeport.domain.errors import Invalid, NotFound
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.deliveries import DeadLetter
from homeport.domain.ports.message_queue import MessageQueue

QUEUE: Final = "queue:messages"
"""The source of what the message queue gave up; every other source is a consumer of the feed."""


class DeadLetters:
    """The dead letters of the queue and of the feed's consumers, each known by source and id.

    `served` are the consumers that the backend delivers to; `others` may have dead letters as
    well, left by what is no longer there.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        queue: MessageQueue,
        served: Sequence[str],
        others: Collection[str] = (),
    ) -> None:
        self._feed = feed
        self._queue = queue
        self._served = tuple(served)
        self._others = tuple(sorted(set(others) - set(served)))

    @property
    def sources(self) -> tuple[str, ...]:
        """All that may have dead letters."""
        return (QUEUE, *self._served, *self._others)

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Consumers that the backend no longer delivers to, but that the feed keeps a place or
        dead letters for."""
        return self._others

    def letters(self, source: str | None = None) -> list[DeadLetter]:
        """All of `source`, or of every source, oldest first. NotFound for an unknown source."""
        if source is not None and source not in self.sources:
            raise NotFound(f"There is no source {source}. There are: {', '.join(self.sources)}.")
        chosen = self.sources if source is None else (source,)
        letters = [
            replace(letter, source=one)
            for one in chosen
            for letter in (
                self._queue.dead_letters() if one == QUEUE else self._feed.dead_letters(one)
            )
        ]
        return sorted(letters, key=lambda letter: letter.died)

    def find(self, ids: Iterable[str], source: str | None = None) -> list[DeadLetter]:
        """The dead letters with these ids, in the order of `ids`.

        Raises NotFound for an id that there is not, and Invalid for one that several sources
        have while none is named.
        """
        held = self.letters(source)
        found: list[DeadLetter] = []
        for id in dict.fromkeys(ids):
            same = [letter for letter in held if letter.id == id]
            if not same:
                where = "" if source is None else f" of {source}"
                raise NotFound(f"There is no dead letter {id}{where}.")
            if len(same) > 1:
                several = " and ".join(letter.source for letter in same)
                raise Invalid(f"The dead letter {id} is one of {several}: name the source.")
            found.extend(same)
        return found

    def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Make them due again, with all their attempts. Returns how many there were.

        Whoever gets them reads the record as it is by then, so nothing old is written over
        something newer. Raises Invalid, and does nothing, where nobody would get them.
        """
        gone = sorted({letter.source for letter in letters} & set(self._others))
        if gone:
            raise Invalid(
                f"Nothing delivers to {', '.join(gone)} any more: put the subscriber back into "
                "the definition, or drop its dead letters."
            )
        return self._each(letters, self._queue.redrive, self._feed.redrive)

    def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Forget them. Returns how many there were."""
        return self._each(letters, self._queue.drop, self._feed.drop)

    def _each(
        self,
        letters: Sequence[DeadLetter],
        of_queue: Callable[[Sequence[str]], int],
        of_feed: Callable[[str, Sequence[str]], int],
    ) -> int:
        ids: dict[str, list[str]] = {}
        for letter in letters:
            ids.setdefault(letter.source, []).append(letter.id)
        return sum(
            of_queue(some) if source == QUEUE else of_feed(source, some)
            for source, some in ids.items()
        )
