"""The documents of an index in memory, and the words in them.

Words are in lower case, with one small sigma; there is no stemming.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document, IndexChange, IndexEntry, Removal
from homeport.domain.model.place import Place, distance
from homeport.domain.model.record import Key
from homeport.domain.words import as_found, cut_words

Value: TypeAlias = "str | float | int"


def tokens(text: str) -> list[str]:
    """The words of a text, in order."""
    return [as_found(word) for word in cut_words(text)]


def places(words: Sequence[str], phrase: Sequence[str]) -> list[int]:
    """Where `phrase` begins in `words`."""
    first, length = phrase[0], len(phrase)
    return [
        place
        for place, word in enumerate(words)
        if word == first and list(words[place : place + length]) == list(phrase)
    ]


@dataclass(slots=True)
class Entry:
    """A document and its words: for each text field its values, each a list of words."""

    document: Document
    words: dict[str, list[list[str]]] = field(default_factory=dict)

    def values(self, role: FieldRole, path: str) -> tuple[Value, ...]:
        """Distinct values, in the document's order."""
        by_path: Mapping[str, tuple[Value, ...]] = getattr(self.document, role.value)
        return tuple(dict.fromkeys(by_path.get(path, ())))

    def metres_from(self, place: Place, path: str) -> float | None:
        """How far the nearest point of a geo field is; None where there is none."""
        points = self.document.geo.get(path, ())
        return min((distance(place, one) for one in points), default=None)

    def texts(self, path: str | None) -> Iterable[list[str]]:
        if path is not None:
            return self.words.get(path, [])
        return (value for values in self.words.values() for value in values)

    def count(self, phrase: Sequence[str], path: str | None) -> int:
        """How often these words stand side by side."""
        return sum(len(places(value, phrase)) for value in self.texts(path))

    def length(self) -> int:
        return sum(map(len, self.texts(None)))


class Documents:
    """One generation of the index: entries by key, the keys of each word, the removals.

    `place` is what a rebuild has kept with it.
    """

    def __init__(self) -> None:
        self.place = ""
        self.entries_by_key: dict[Key, Entry] = {}
        self.keys_of: dict[str, set[Key]] = {}
        self._seen: dict[Key, int] = {}

    def apply(self, change: IndexChange) -> None:
        if change.version <= self._seen.get(change.key, -1):
            return
        self._seen[change.key] = change.version
        self._forget(change.key)
        if isinstance(change, Removal):
            return
        entry = Entry(change)
        for path, values in change.text.items():
            entry.words[path] = [tokens(value) for value in values]
            for word in {word for value in entry.words[path] for word in value}:
                self.keys_of.setdefault(word, set()).add(change.key)
        self.entries_by_key[change.key] = entry

    def entries(self, limit: int, after: Key | None) -> list[IndexEntry]:
        beyond = (key for key in self.entries_by_key if after is None or key > after)
        return [IndexEntry(key, self._seen[key]) for key in heapq.nsmallest(limit, beyond)]

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return [self._seen[key] if key in self.entries_by_key else None for key in keys]

    def _forget(self, key: Key) -> None:
        entry = self.entries_by_key.pop(key, None)
        if entry is None:
            return
        for word in {word for value in entry.texts(None) for word in value}:
            keys = self.keys_of[word]
            keys.discard(key)
            if not keys:
                del self.keys_of[word]
