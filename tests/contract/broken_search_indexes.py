"""Search indexes that take changes wrongly, on purpose: each breaks one promise of the port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from homeport.adapters.memory.search_index import MemoryRebuild, MemorySearchIndex
from homeport.domain.dates import format_date, parse_date
from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection, Removal
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Capability
from tests.contract.broken_search_answers import ANSWERS
from tests.contract.broken_search_nearness import NEARNESS


class ForgetsRemovals(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        rejections = super().apply(changes)
        for change in changes:
            if isinstance(change, Removal) and self._live._seen[change.key] == change.version:
                del self._live._seen[change.key]
        return rejections


class TakesOlderDocuments(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        for change in changes:
            self._live._seen.pop(change.key, None)
        return super().apply(changes)


class RoundsVersions(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return super().apply([replace(one, version=int(float(one.version))) for one in changes])


class RoundsNumbers(MemorySearchIndex):
    """To as many digits as are surely right."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return super().apply(list(map(_with_rounded_numbers, changes)))


def _with_rounded_numbers(change: IndexChange) -> IndexChange:
    if isinstance(change, Removal):
        return change
    rounded = {
        path: tuple(float(f"{one:.15g}") for one in numbers)
        for path, numbers in change.number.items()
    }
    return replace(change, number=rounded)


class TakesTextForDates(MemorySearchIndex):
    """Keeps the moment that a text says, not the text."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return super().apply(list(map(_with_moments, changes)))


def _with_moments(change: IndexChange) -> IndexChange:
    if isinstance(change, Removal):
        return change
    keyword = {path: tuple(map(_as_moment, texts)) for path, texts in change.keyword.items()}
    return replace(change, keyword=keyword)


def _as_moment(text: str) -> str:
    moment = parse_date(text)
    return text if moment is None else format_date(moment.start)


class LeavesOutLongWords(MemorySearchIndex):
    """As what cuts words out of texts does by default in some engines."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return super().apply(list(map(_without_long_words, changes)))


def _without_long_words(change: IndexChange) -> IndexChange:
    if isinstance(change, Removal):
        return change
    text = {
        path: tuple(
            " ".join(word for word in one.split() if len(word.encode()) < _LONG) for one in texts
        )
        for path, texts in change.text.items()
    }
    return replace(change, text=text)


class TakesTheLastOfABatch(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return super().apply(list({one.key: one for one in changes}.values()))


class MergesDocuments(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        def merged(one: IndexChange) -> IndexChange:
            old = self._live.entries_by_key.get(one.key)
            if isinstance(one, Removal) or old is None:
                return one
            return replace(one, text={**old.document.text, **one.text})

        return super().apply(list(map(merged, changes)))


class MixesSpacesUp(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        for one in changes:
            for key in list(self._live.entries_by_key):
                if isinstance(one, Removal) and key.id == one.key.id:
                    super().apply([Removal(key, one.version)])
        return super().apply(changes)


class ListsRemovals(MemorySearchIndex):
    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        seen = [IndexEntry(*one) for one in sorted(self._live._seen.items())]
        return [one for one in seen if after is None or one.key > after][:limit]


class TellsVersionsOfRemovals(MemorySearchIndex):
    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return [self._live._seen.get(key) for key in keys]


class TellsNoAbsentVersions(MemorySearchIndex):
    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return [one for one in super().versions(keys) if one is not None]


class TellsVersionsInTheirOrder(MemorySearchIndex):
    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return super().versions(sorted(keys))


class TellsVersionsOfFewKeys(MemorySearchIndex):
    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return [*super().versions(keys[:50]), *(None for _ in keys[50:])]


class CountsRemovals(MemorySearchIndex):
    def status(self) -> IndexStatus:
        return replace(super().status(), documents=len(self._live._seen))


class NeverTellsOfARebuild(MemorySearchIndex):
    def status(self) -> IndexStatus:
        return replace(super().status(), rebuilding=False)


class TellsOfARebuildAtWorkAlone(MemorySearchIndex):
    def status(self) -> IndexStatus:
        return replace(super().status(), rebuilding=self._fresh is not None)


class HasNoSchema(MemorySearchIndex):
    def status(self) -> IndexStatus:
        return replace(super().status(), schema="")


class ClaimsToBeRebuiltInPlace(MemorySearchIndex):
    @property
    def in_place(self) -> bool:
        return True


class ForgetsWhatWasLeft(MemorySearchIndex):
    def rebuild(self) -> MemoryRebuild:
        if self._fresh is None:
            self._left = None
        return super().rebuild()


class AnswersFromWhatWasLeft(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        if self._left is None:
            return super().search(query)
        live, self._live = self._live, self._left
        page = super().search(query)
        self._live = live
        return page


class RebuildsBlindly(MemorySearchIndex):
    """Changes during a rebuild do not reach the new index."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        fresh, self._fresh = self._fresh, None
        rejections = super().apply(changes)
        self._fresh = fresh
        return rejections


class EmptiesBeforeRebuilding(MemorySearchIndex):
    def rebuild(self) -> MemoryRebuild:
        fresh = super().rebuild()
        self._live = type(self._live)()
        return fresh


class RebuildsTwiceAtOnce(MemorySearchIndex):
    def rebuild(self) -> MemoryRebuild:
        self._fresh = None
        return super().rebuild()


class ClaimsToStem(MemorySearchIndex):
    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset(Capability)


INDEXES: Final[dict[str, type[MemorySearchIndex]]] = {
    "forgets removals": ForgetsRemovals,
    "takes older documents": TakesOlderDocuments,
    "rounds versions": RoundsVersions,
    "rounds numbers": RoundsNumbers,
    "takes text for dates": TakesTextForDates,
    "leaves out long words": LeavesOutLongWords,
    "takes the last of a batch": TakesTheLastOfABatch,
    "merges documents": MergesDocuments,
    "mixes spaces up": MixesSpacesUp,
    "lists removals": ListsRemovals,
    "tells versions of removals": TellsVersionsOfRemovals,
    "tells no absent versions": TellsNoAbsentVersions,
    "tells versions in their order": TellsVersionsInTheirOrder,
    "tells versions of few keys": TellsVersionsOfFewKeys,
    "counts removals": CountsRemovals,
    "never tells of a rebuild": NeverTellsOfARebuild,
    "tells of a rebuild at work alone": TellsOfARebuildAtWorkAlone,
    "has no schema": HasNoSchema,
    "claims to be rebuilt in place": ClaimsToBeRebuiltInPlace,
    "forgets what was left": ForgetsWhatWasLeft,
    "answers from what was left": AnswersFromWhatWasLeft,
    "rebuilds blindly": RebuildsBlindly,
    "empties before rebuilding": EmptiesBeforeRebuilding,
    "rebuilds twice at once": RebuildsTwiceAtOnce,
    "claims to stem": ClaimsToStem,
    **ANSWERS,
    **NEARNESS,
}
_LONG: Final = 255
"""Bytes, as tantivy's own tokenizer and others have it by default."""
