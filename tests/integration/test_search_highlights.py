"""Highlights of the embedded index: what a page of them may cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded import search_highlights
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.domain.highlighting import fragments
from homeport.domain.model.query import All, Fuzzy, Hit, Node, Phrase, Prefix, Scope, SearchQuery
from homeport.domain.model.query import Words as Word
from homeport.domain.spelling import resembles
from homeport.testing import CATALOG
from homeport.testing.search_support import key, note

ROOM = 200_000
_ASKED = ["bread", "water", "flour", "sugar"]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedSearchIndex]:
    index = EmbeddedSearchIndex(tmp_path, CATALOG, "none")
    yield index
    index.close()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often each word was held against each that was asked for."""
    judged: Counter[tuple[str, str]] = Counter()

    def counted(word: str, asked: str, edits: int) -> bool:
        judged[word, asked] += 1
        return resembles(word, asked, edits)

    monkeypatch.setattr(search_highlights, "resembles", counted)
    return judged


def marked(index: EmbeddedSearchIndex, match: Node, limit: int = 100) -> list[bool]:
    """For each hit, in the page's order, whether it has fragments."""
    return [bool(hit.highlights) for hit in hits(index, match, limit)]


def hits(index: EmbeddedSearchIndex, match: Node, limit: int = 100) -> list[Hit]:
    query = SearchQuery(match, (Scope("s"),), highlight=("title",), limit=limit)
    return list(index.search(query).hits)


def fill(index: EmbeddedSearchIndex, *titles: str | list[str]) -> None:
    notes = [note(key("s", f"n{n:03}"), title=title) for n, title in enumerate(titles)]
    assert index.apply(notes) == []


def test_a_word_is_judged_once_a_page(
    index: EmbeddedSearchIndex, judged: Counter[tuple[str, str]]
) -> None:
    fill(index, *["some broad bread and some more of it, " * 20] * 10)
    assert marked(index, All((Fuzzy("braed"), Fuzzy("soem")))) == [True] * 10
    assert judged["bread", "braed"] == 1
    assert set(judged.values()) == {1}


def test_of_words_without_end_some_are_judged(
    index: EmbeddedSearchIndex, judged: Counter[tuple[str, str]]
) -> None:
    words = [f"{a}{b}{c}xy" for a in "abcdefghijklmn" for b in "opqrstuvw" for c in range(320)]
    step = len(words) // 40
    texts = [" ".join([*_ASKED, *words[at : at + step]]) for at in range(0, len(words), step)]
    fill(index, *texts)
    found = marked(index, All(tuple(map(Fuzzy, _ASKED))))
    assert len(found) == len(texts)
    assert found[0]
    assert not found[-1]
    # Words of other lengths are not judged at all.
    assert ROOM // 50 < judged.total() < ROOM // 8


def test_what_is_short_is_read_to_its_end(index: EmbeddedSearchIndex) -> None:
    fill(index, *["a " * 2000 + "b"] * 40)
    assert marked(index, Word("b")) == [True] * 40
    assert marked(index, Phrase(("a", "b"))) == [True] * 40
    assert marked(index, All((Word("b"), Prefix("b")))) == [True] * 40


def test_what_is_long_has_room_on_a_page_once(index: EmbeddedSearchIndex) -> None:
    fill(index, *["a " * 150_000 + "b"] * 4)
    assert marked(index, Word("b")) == [True, False, False, False]
    assert marked(index, Word("b"), limit=1) == [True]


def test_many_short_texts_take_room_too(index: EmbeddedSearchIndex) -> None:
    fill(index, *[[f"word {n}" for n in range(1000)] for _ in range(20)])
    found = marked(index, Word("word"))
    assert found == sorted(found, reverse=True)
    assert 0 < sum(found) < 20


def test_text_without_words_takes_room_too(index: EmbeddedSearchIndex) -> None:
    fill(index, *["b" + "." * 400_000] * 50)
    assert 5 < sum(marked(index, Word("b"))) < 50


def test_marks_that_tantivy_is_not_to_see_take_more(index: EmbeddedSearchIndex) -> None:
    fill(index, *["b x" + "\N{COMBINING ENCLOSING CIRCLE}" * 130_000] * 9)
    assert 1 < sum(marked(index, Word("b"))) < 4


def test_a_phrase_that_repeats_itself_is_looked_for_in_so_many_steps(
    index: EmbeddedSearchIndex,
) -> None:
    again = Phrase(("a",) * 15 + ("b",))
    fill(index, "a " * 50 + "b", "a " * 40_000 + "b")
    assert marked(index, again) == [True, False]


def test_all_that_fragments_show_is_marked(index: EmbeddedSearchIndex) -> None:
    text = "a " * 5000
    fill(index, text)
    whole = fragments(text, [(at, at + 1) for at in range(0, len(text), 2)])
    assert len(whole) == 3
    for match in (Word("a"), Prefix("a"), All((Word("a"), Prefix("a")))):
        assert hits(index, match)[0].highlights == (("title", whole),)
