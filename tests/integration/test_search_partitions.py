"""A search within one collection of one space goes another way through a data folder's index, and
finds what any other would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.embedded.search_schema import partitioned_term, scope_term
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.document import Document, Removal
from homeport.domain.model.query import (
    All,
    Node,
    Not,
    Phrase,
    Prefix,
    Scope,
    SearchPage,
    SearchQuery,
    Words,
)
from homeport.domain.model.record import Key

_WORDS: Final = ("fox", "foxes", "hound", "Ärger", "e-mail", "new york", "notes", "mine")
_SPACES: Final = ("mine", "theirs")
_COLLECTIONS: Final = ("notes", "pages", "note")
_HERE: Final = Scope("mine", "notes")
_NOWHERE: Final = Scope("nobody", "notes")
"""With it, a search is within two, and holds all of the index against its scopes."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSearchIndex]:
    """Each text once in each collection of each space, some of them of two fields."""
    heavy = {"title": FieldDeclaration(FieldRole.TEXT, boost=3.0)}
    catalog = Catalog([Collection("notes", fields=heavy)])
    index = EmbeddedSearchIndex(tmp_path_factory.mktemp("partitions"), catalog)
    for space in _SPACES:
        for collection in _COLLECTIONS:
            index.apply(
                [
                    _document(Key(space, collection, f"{one}-{two}".replace(" ", "_")), one, two)
                    for one, two in _pairs(space, collection)
                ]
            )
    yield index
    index.close()


def _pairs(space: str, collection: str) -> list[tuple[str, str]]:
    """So that no word is as rare in one partition as in another."""
    count = 1 + _SPACES.index(space) * len(_COLLECTIONS) + _COLLECTIONS.index(collection)
    ids = range(len(_WORDS))
    return [(_WORDS[one], _WORDS[two]) for one in ids for two in ids if (one + two) % 7 < count]


def _document(key: Key, title: str, body: str) -> Document:
    id = key.id.replace("Ä", "A")
    text = {"title": (title,), "body": (f"{body} {title} and more", "of it")}
    return Document(key._replace(id=id), 1, "someone", text=text)


def _asked(index: EmbeddedSearchIndex, match: Node, *scopes: Scope) -> SearchPage:
    return index.search(SearchQuery(match, scopes, limit=100))


_WORD: Final = st.sampled_from(_WORDS).map(Words)
_LEAF: Final = st.one_of(
    _WORD,
    st.sampled_from(_WORDS).map(lambda word: Words(word, "title")),
    st.sampled_from(_WORDS).map(lambda word: Phrase((word,))),
    st.sampled_from(_WORDS).map(lambda word: Phrase((word, "and"))),
    st.sampled_from(["f", "ho", "n"]).map(Prefix),
)
_MATCH: Final = st.lists(st.one_of(_LEAF, _LEAF.map(Not)), min_size=1, max_size=4).map(
    lambda nodes: All(tuple(nodes))
)


@given(st.one_of(_LEAF, _MATCH))
def test_it_finds_what_a_search_within_several_does(
    index: EmbeddedSearchIndex, match: Node
) -> None:
    here, among = _asked(index, match, _HERE), _asked(index, match, _HERE, _NOWHERE)
    assert here.total == among.total == len(here.hits)
    assert {hit.key for hit in here.hits} == {hit.key for hit in among.hits}
    assert {hit.key[:2] for hit in here.hits} <= {("mine", "notes")}


@given(_WORD)
def test_hits_of_a_word_come_in_the_order_of_their_scores(
    index: EmbeddedSearchIndex, match: Words
) -> None:
    scores = [hit.score for hit in _asked(index, match, _HERE).hits]
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_a_field_that_weighs_more_does_so_there(index: EmbeddedSearchIndex) -> None:
    hits = _asked(index, Words("hound"), _HERE).hits
    titled = [hit.key.id.startswith("hound") for hit in hits]
    assert titled == sorted(titled, reverse=True)
    assert {True, False} <= set(titled)


def test_how_rare_a_word_is_counts_within_the_partition(tmp_path: Path) -> None:
    """Which words others use is not to be guessed from the order of hits."""
    index = EmbeddedSearchIndex(tmp_path, Catalog())
    mine = [Document(Key("mine", "notes", id), 1, "me", text={"t": (id,)}) for id in ("fox", "hen")]
    index.apply(mine)
    rarer = [Words("fox"), Words("hen")]
    before = [_asked(index, word, _HERE).hits[0].score for word in rarer]
    many = [Key("theirs", "notes", f"n{number}") for number in range(50)]
    index.apply([Document(key, 1, "they", text={"t": ("fox",)}) for key in many])
    after = [_asked(index, word, _HERE).hits[0].score for word in rarer]
    index.close()
    assert before[0] == before[1]
    assert after[0] == after[1]


def test_what_was_changed_or_removed_is_gone_there_as_well(tmp_path: Path) -> None:
    index = EmbeddedSearchIndex(tmp_path, Catalog())
    changed, removed = Key("mine", "notes", "changed"), Key("mine", "notes", "removed")
    index.apply([Document(key, 1, "me", text={"t": ("fox",)}) for key in (changed, removed)])
    assert _asked(index, Words("fox"), _HERE).total == 2
    index.apply([Document(changed, 2, "me", text={"t": ("hen",)}), Removal(removed, 2)])
    assert _asked(index, Words("fox"), _HERE).total == 0
    assert [hit.key for hit in _asked(index, Words("hen"), _HERE).hits] == [changed]
    index.close()


def test_nothing_of_the_other_way_is_asked(index: EmbeddedSearchIndex) -> None:
    translator = index._live._translator
    for match in (Words("fox"), All((Words("fox"), Phrase(("fox", "and"))))):
        asked = repr(translator.matching(SearchQuery(match, (_HERE,)), {}))
        terms = set(re.findall(r'"([^"]*)"', asked))
        assert partitioned_term("mine,notes", "fox") in terms
        assert scope_term(_HERE) not in terms
