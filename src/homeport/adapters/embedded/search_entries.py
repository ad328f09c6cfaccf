"""Reads what is in the index by key, a page at a time.

To order by a key, tantivy looks the keys of a whole page up in each of its segments, which takes
40 microseconds for each key, and there are ten segments or more. What lies between two keys it
finds at once. So a page is what lies before a key that is not too far ahead, which a sample of
all documents tells.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import tantivy
from tantivy import Query

from homeport.adapters.embedded.search_places import count_of
from homeport.adapters.embedded.search_query import QueryTranslator
from homeport.adapters.embedded.search_schema import key_of, key_text
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.record import Key


class Entries:
    """Of one state of the index. Safe to use from several threads."""

    def __init__(self, translator: QueryTranslator, searcher: tantivy.Searcher) -> None:
        self._translator: Final = translator
        self._searcher: Final = searcher
        self._samples: Final[dict[int, list[str]]] = {}

    def page(self, limit: int, after: Key | None) -> list[IndexEntry]:
        """Up to `limit` in ascending order of keys, and none only where there are no more."""
        while limit >= _MANY:
            through = self._ahead(limit, after)
            if through is None:
                break
            between = self._translator.live(after, through)
            count = count_of(self._searcher.search(between, 1))
            if count > limit:
                break
            if count > 0:
                return self._all(between, count)
            after = through  # all that was there has been removed
        return self._first(limit, after)

    def _ahead(self, limit: int, after: Key | None) -> Key | None:
        """The key with about half of a page before it; None near the end."""
        gap = limit // _SAMPLED
        if gap not in self._samples:
            self._samples[gap] = self._sample(gap)
        keys = self._samples[gap]
        place = _SAMPLED // 2 + (0 if after is None else bisect_right(keys, key_text(after)))
        return key_of(keys[place]) if place < len(keys) else None

    def _sample(self, gap: int) -> list[str]:
        """The key of each so many documents, removed ones among them, in order."""
        keys = []
        for segment in range(self._searcher.num_segments):
            place = gap // 2
            while (key := self._key_at(segment, place)) is not None:
                keys.append(key)
                place += gap
        return sorted(keys)

    def _key_at(self, segment: int, place: int) -> str | None:
        try:
            key: str = self._searcher.doc(tantivy.DocAddress(segment, place))["key"][0]
        except ValueError:  # the segment has fewer
            return None
        return key

    def _all(self, wanted: Query, count: int) -> list[IndexEntry]:
        entries = []
        for _, address in self._searcher.search(wanted, count, count=False).hits:
            stored = self._searcher.doc(address)
            entries.append(IndexEntry(key_of(stored["key"][0]), stored["version"][0]))
        return sorted(entries, key=lambda one: one.key)

    def _first(self, limit: int, after: Key | None) -> list[IndexEntry]:
        found = self._searcher.search(
            self._translator.live(after),
            limit,
            count=False,
            order_by_field="key",
            order=tantivy.Order.Asc,
        )
        addresses = [address for _, address in found.hits]
        versions = self._searcher.fast_field_values("version", addresses)
        return [
            IndexEntry(key_of(key), int(version or 0))
            for (key, _), version in zip(found.hits, versions, strict=True)
        ]


_MANY: Final = 1_000
"""Fewer entries are ordered at once."""
_SAMPLED: Final = 8
"""Documents of a sample in as many as a page may hold."""
