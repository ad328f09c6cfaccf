"""Fragments of a page's hits, around the words that matched.

OpenSearch marks what matched, since it knows which words do, in the whole text of a field; the
fragments are cut from that as for every index, and escaped here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from homeport.adapters.opensearch import layout as fields
from homeport.adapters.opensearch.query import Clause, Leaf, leaf, leaves
from homeport.domain.highlighting import Span, fragments
from homeport.domain.model.query import Fuzzy, Highlights, Prefix, SearchQuery
from homeport.domain.words import word_spans


class Highlighter:
    """For the hits of one query."""

    def __init__(self, query: SearchQuery) -> None:
        found = list(leaves(query.match)) if query.highlight else []
        self._wanted = {
            path: here
            for path in query.highlight
            if (here := [one for one in found if one.field in (None, path)])
        }

    def asked(self) -> dict[str, Any] | None:
        """The parameter `highlight`; None where there is nothing to mark."""
        if not self._wanted:
            return None
        marked: dict[str, Any] = {}
        for path, here in self._wanted.items():
            starts = [one for one in here if isinstance(one, Prefix | Fuzzy)]
            others = [one for one in here if not isinstance(one, Prefix | Fuzzy)]
            for name, some in (
                (fields.starts_field(path), starts),
                (fields.text_field(path), others),
            ):
                if some:
                    marked[name] = {"highlight_query": _any_of(some, path)}
        return {
            "type": "unified",
            "number_of_fragments": 0,
            "pre_tags": [_BEFORE],
            "post_tags": [_BEHIND],
            "fields": marked,
        }

    def of(self, marked: Mapping[str, Sequence[str]]) -> Highlights:
        """The fragments of each field that has some; `marked` is what OpenSearch says of a hit."""
        found = []
        for path in self._wanted:
            texts: dict[str, set[Span]] = {}
            for name in (fields.text_field(path), fields.starts_field(path)):
                for one in marked.get(name, ()):
                    text, spans = self._read(one)
                    texts.setdefault(text, set()).update(spans)
            shown = tuple(
                fragment
                for text, spans in texts.items()
                for fragment in fragments(text, sorted(spans))
            )
            if shown:
                found.append((path, shown))
        return tuple(found)

    def _read(self, marked: str) -> tuple[str, list[Span]]:
        """The text without its marks, and where they stood, word by word."""
        pieces: list[str] = []
        spans: list[Span] = []
        length = 0
        inside = False
        for piece in _MARKS.split(marked):
            if piece in (_BEFORE, _BEHIND):
                inside = piece == _BEFORE
                continue
            if inside:
                spans += ((length + start, length + end) for start, end in word_spans(piece))
            pieces.append(piece)
            length += len(piece)
        return "".join(pieces), spans


def _any_of(some: Sequence[Leaf], path: str) -> Clause:
    return {"bool": {"should": [leaf(one, path) for one in some]}}


_TOKEN: Final = secrets.token_hex(8)
"""Marks that nobody can have foreseen, and written into a record. None of them is ever shown."""
_BEFORE: Final = f"<{_TOKEN}>"
_BEHIND: Final = f"</{_TOKEN}>"
_MARKS: Final = re.compile(f"(</?{_TOKEN}>)")
