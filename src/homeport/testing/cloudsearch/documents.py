"""A document as the index holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from homeport.testing.cloudsearch.analysis import AnalysisScheme, Token, analyze
from homeport.testing.cloudsearch.values import Value, to_text

GAP: Final = 100_000
"""Between the words of two values of an array: no phrase and no `near` reaches across."""


class Document:
    """An id and values; the words of its texts are found when first asked for."""

    def __init__(
        self, id: str, values: Mapping[str, tuple[Value, ...]], bases: Mapping[str, str]
    ) -> None:
        """`bases` holds the type of each field's values, as it was when the document came."""
        self.id: Final = id
        self.values: Final = values
        self.bases: Final = bases
        self._words: dict[tuple[str, AnalysisScheme], dict[str, list[int]]] = {}

    def get(self, name: str) -> tuple[Value, ...]:
        return (self.id,) if name == "_id" else self.values.get(name, ())

    def words(self, name: str, scheme: AnalysisScheme) -> Mapping[str, list[int]]:
        """Each indexed word of a text field, with its positions in ascending order."""
        key = name, scheme
        if key not in self._words:
            found: dict[str, list[int]] = {}
            for nth, value in enumerate(self.values.get(name, ())):
                for token in analyze(str(value), scheme):
                    found.setdefault(token.term, []).append(nth * GAP + token.position)
            self._words[key] = found
        return self._words[key]

    def tokens(self, name: str, nth: int, scheme: AnalysisScheme) -> list[Token]:
        """The words of one value, with where they stand in it."""
        return list(analyze(str(self.values[name][nth]), scheme))

    def rendered(self, name: str) -> list[str]:
        return [to_text(self.bases[name], value) for value in self.values[name]]
