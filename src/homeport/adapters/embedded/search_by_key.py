"""Documents in the order of their keys.

To order by a key, tantivy looks the keys of all that may be in a page up in each of its segments,
which takes 20 to 40 microseconds for each key, and there are ten segments or more. What lies
between two keys it finds at once. So a page that would take long is looked for between two keys
which a sample of all documents tells, and ordered here.
"""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_left, bisect_right
from functools import cache
from typing import Final

import tantivy
from tantivy import DocAddress, Query

from homeport.adapters.embedded.search_places import count_of
from homeport.adapters.embedded.search_query import QueryTranslator
from homeport.adapters.embedded.search_schema import key_of, key_text
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.record import Key


class ByKey:
    """Of one state of the index. Safe to use from several threads."""

    def __init__(self, translator: QueryTranslator, searcher: tantivy.Searcher) -> None:
        self._translator: Final = translator
        self._searcher: Final = searcher
        self._samples: Final[dict[int, list[str]]] = {}

    def entries(self, limit: int, after: Key | None) -> list[IndexEntry]:
        """Up to `limit` of all documents, and none only where there are no more."""
        live = self._translator.live()
        while limit >= _MANY and (ahead := self._ahead(limit, after)):
            for through in ahead:
                between = self._translator.between(live, after, through)
                count = self._count(between)
                if 0 < count <= limit:
                    return [entry for entry, _ in self._all(between, count)]
                if count == 0:
                    break
            else:
                break  # many more than the sample tells
            after = through  # all that was there has been removed
        wanted = self._translator.between(live, after, None)
        return [self._entry(address) for address in self._ordered(wanted, 0, limit)[0]]

    def page(self, wanted: Query, offset: int, limit: int) -> tuple[list[DocAddress], int]:
        """The documents of a page of those that are wanted, and how many these are."""
        last = offset + limit
        looked_up = last * self._searcher.num_segments
        if looked_up <= _FEW:
            return self._ordered(wanted, offset, limit)
        began = time.perf_counter()
        total = self._count(wanted)
        took = time.perf_counter() - began
        if total <= _MANY:
            found = self._all(wanted, total)[offset:last]
        elif min(looked_up, total) * _LOOK_SECONDS > took * _COUNTS:
            found = self._far(wanted, total, offset, last)
        else:
            return self._ordered(wanted, offset, limit)
        return [address for _, address in found], total

    def _far(
        self, wanted: Query, total: int, offset: int, last: int
    ) -> list[tuple[IndexEntry, DocAddress]]:
        """Those from `offset` on: between the keys of the sample that are next to both ends."""
        keys = self._sample(max(1, self._searcher.num_docs // _FENCES), 2 * _FENCES)

        @cache
        def before(place: int) -> int:
            """How many come up to a key of the sample, its own included."""
            return self._count(self._translator.between(wanted, None, key_of(keys[place])))

        beyond = bisect_right(range(len(keys)), offset, key=before)
        end = bisect_left(range(len(keys)), last, lo=beyond, key=before)
        after = key_of(keys[beyond - 1]) if beyond > 0 else None
        through = key_of(keys[end]) if end < len(keys) else None
        skipped = before(beyond - 1) if beyond > 0 else 0
        count = (before(end) if end < len(keys) else total) - skipped
        between = self._all(self._translator.between(wanted, after, through), count)
        return between[offset - skipped : last - skipped]

    def _ahead(self, limit: int, after: Key | None) -> list[Key]:
        """Keys ahead, the first of which has about half of a page before it; none near the end."""
        keys = self._sample(limit // _SAMPLED)
        place = 0 if after is None else bisect_right(keys, key_text(after))
        return [key_of(keys[place + step]) for step in _STEPS if place + step < len(keys)]

    def _sample(self, gap: int, most: float = math.inf) -> list[str]:
        """The key of one of each so many documents, removed ones among them, in order; of fewer,
        where there would be more than `most`."""
        if gap not in self._samples:
            chance = random.Random(gap)  # noqa: S311 - batches lie in order, each as long
            keys: list[str] = []
            step = gap
            for segment in range(self._searcher.num_segments):
                start = 0
                while (key := self._key_at(segment, start + chance.randrange(step))) is not None:
                    keys.append(key)
                    start += step
                    if len(keys) > most:
                        del keys[::2]
                        step *= 2
            self._samples[gap] = sorted(keys)
        return self._samples[gap]

    def _key_at(self, segment: int, place: int) -> str | None:
        try:
            key: str = self._searcher.doc(DocAddress(segment, place))["key"][0]
        except ValueError:  # the segment has fewer
            return None
        return key

    def _count(self, wanted: Query) -> int:
        return count_of(self._searcher.search(wanted, 1))

    def _all(self, wanted: Query, count: int) -> list[tuple[IndexEntry, DocAddress]]:
        if count <= 0:
            return []
        found = self._searcher.search(wanted, count, count=False).hits
        entries = [(self._entry(address), address) for _, address in found]
        return sorted(entries, key=lambda one: one[0].key)

    def _ordered(self, wanted: Query, offset: int, limit: int) -> tuple[list[DocAddress], int]:
        found = self._searcher.search(
            wanted, limit, offset=offset, order_by_field="key", order=tantivy.Order.Asc
        )
        return [address for _, address in found.hits], count_of(found)

    def _entry(self, address: DocAddress) -> IndexEntry:
        stored = self._searcher.doc(address)
        return IndexEntry(key_of(stored["key"][0]), stored["version"][0])


_FEW: Final = 300
"""Keys that tantivy looks up at once, whatever else could be done."""
_MANY: Final = 1_000
"""Fewer entries are ordered by tantivy; fewer documents that match are all read, and ordered here,
which takes 5 microseconds for each."""
_LOOK_SECONDS: Final = 30e-6
"""For tantivy to look up a key."""
_COUNTS: Final = 26
"""How often what matches is counted to find a page far from the first: where it takes long to find
at all, as with words that are nearly so, its keys are sooner looked up."""
_SAMPLED: Final = 8
"""Documents of a sample in as many as a page may hold."""
_STEPS: Final = (4, 2, 1, 0)
_FENCES: Final = 4_000
"""Documents of a sample in a whole index."""
