"""What tantivy is given for a text, so that its words are those of every index."""

from __future__ import annotations

import pytest

from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.adapters.embedded.search_words import as_indexed
from homeport.domain.words import as_found, cut_words
from homeport.testing import CATALOG

SCHEMA = SearchSchema(CATALOG, "en")


@pytest.mark.parametrize(
    "text",
    [
        "Plain words, and Grüße",
        "हिन्दी भाषा",
        "foo_\u094dbar q+\u094dz",
        "\u0301abc \u0308\u0301def",
        "M \u0308uller “\u0301x”",
        "a🅰 xⒶy — z",
        "x\u0302y ที่นี่",
        "ΟΔΟΣ οδος",
    ],
)
def test_its_words_are_those_of_every_index(text: str) -> None:
    seen = as_indexed(text)
    assert len(seen) == len(text)
    tokens = SCHEMA.plain_words.pre_tokenize(seen).tokens
    places = [(one.char_offset_from, one.char_offset_to) for one in tokens]
    assert [as_found(text[start:end]) for start, end in places] == [
        as_found(word) for word in cut_words(text)
    ]
