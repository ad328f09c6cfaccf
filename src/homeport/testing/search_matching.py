"""The search index's contract: what is found, and for whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, final

import pytest

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import (
    All,
    AnyOf,
    Facet,
    FacetCount,
    Filter,
    Node,
    Not,
    Nothing,
    Phrase,
    Prefix,
    Range,
    Scope,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.ports.search_index import Capability, SearchIndex
from homeport.testing.contract import skip_unless
from homeport.testing.search_support import (
    DRAFTS,
    NOTES,
    SearchIndexSupport,
    day,
    key,
    microseconds,
    note,
    phrase,
    words,
)

_FOX: Final = "The quick brown fox"
_DOG: Final = "A quick dog, brown as a fox."

_ODD: Final = 'x"y* AND z\\'
_LONG_NUMBERS: Final = (0.1 + 0.2, 945.2706955539223, -449.49106478873813, 2.0**53 - 1)
_BEFORE_1970: Final = datetime(1969, 12, 31, tzinfo=UTC)

_WORDS: Final[list[tuple[Node, list[str]]]] = [
    (All(), ["dog", "fox", "other"]),
    (Nothing(), []),
    (Words("quick"), ["dog", "fox"]),
    (Words("QUICK"), ["dog", "fox"]),
    (Words("quic"), []),
    (words("quick fox"), ["dog", "fox"]),
    (words("quick dog"), ["dog"]),
    (words("quick nothing"), []),
    (phrase("quick brown"), ["fox"]),
    (phrase("brown quick"), []),
    (phrase("dog brown"), ["dog"]),
    (Phrase(("fox",)), ["dog", "fox"]),
    (Words("dog-brown"), ["dog"]),
    (Prefix("qui"), ["dog", "fox"]),
    (Prefix("QUI"), ["dog", "fox"]),
    (Prefix("d"), ["dog"]),
    (Prefix("uick"), []),
    (All((Words("quick"), Not(Words("dog")))), ["fox"]),
    (All((Not(Words("dog")),)), ["fox", "other"]),
    (Not(Words("dog")), ["fox", "other"]),
    (All((Not(phrase("quick brown")), Not(Prefix("oth")))), ["dog"]),
    (Not(Not(Words("dog"))), ["dog"]),
    (All((Words("quick"), All((Not(Words("dog")), Words("fox"))))), ["fox"]),
    (All((Words("quick"), Nothing())), []),
    (All((Words("quick"), Not(Nothing()))), ["dog", "fox"]),
    (Words("fox", "title"), ["fox"]),
    (Words("fox", "body"), ["dog"]),
    (Words("fox", "kind"), []),
    (Phrase(("quick", "brown"), "title"), ["fox"]),
    (Phrase(("quick", "brown"), "body"), []),
    (Prefix("fo", "body"), ["dog"]),
    (Not(Prefix("fo", "body")), ["fox", "other"]),
]

_LONG: Final = "f" * 300
_NO_SPACES: Final = "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 86
_LONG_WORDS: Final[list[tuple[Node, list[str]]]] = [
    (Words(_LONG), ["long"]),
    (Words(_LONG.upper()), ["long"]),
    (Words(_LONG, "title"), ["long"]),
    (Words(_LONG[:-1]), []),
    (Prefix("fff"), ["long"]),
    (Prefix("fff", "title"), ["long"]),
    (phrase(f"key {_LONG} end"), ["long"]),
    (phrase(f"end {_LONG} key"), []),
    (phrase("key end"), []),
    (phrase(f"key {'g' * 300}"), []),
    (phrase(f"hello {'g' * 300}"), []),
    (Not(phrase(f"hello {'g' * 300}")), ["cjk", "hello", "long"]),
    (Words(_NO_SPACES), ["cjk"]),
    (Words(_NO_SPACES, "title"), ["cjk"]),
    (Prefix(_NO_SPACES[:1]), ["cjk"]),
]

_FILTERS: Final[list[tuple[Filter, list[str]]]] = [
    (Term(FieldRole.KEYWORD, "kind", "novel"), ["a", "b"]),
    (Term(FieldRole.KEYWORD, "kind", "Novel"), []),
    (Term(FieldRole.KEYWORD, "kind", "nov"), []),
    (Term(FieldRole.KEYWORD, "tag", _ODD), ["c"]),
    (Term(FieldRole.KEYWORD, "tag", "two words"), ["b"]),
    (Term(FieldRole.KEYWORD, "tag", "two"), []),
    (Term(FieldRole.NUMBER, "pages", 100), ["a"]),
    (Term(FieldRole.NUMBER, "pages", 300.0), ["b"]),
    (Term(FieldRole.NUMBER, "size", -2.5), ["a"]),
    (Term(FieldRole.DATE, "seen", microseconds(day(2))), ["b"]),
    (Range(FieldRole.NUMBER, "pages", 100, 200), ["a", "b", "c"]),
    (Range(FieldRole.NUMBER, "pages", 100, 200, include_low=False), ["b", "c"]),
    (Range(FieldRole.NUMBER, "pages", 100, 200, include_high=False), ["a"]),
    (Range(FieldRole.NUMBER, "pages", low=250), ["b"]),
    (Range(FieldRole.NUMBER, "pages"), ["a", "b", "c"]),
    (Range(FieldRole.NUMBER, "size", high=0), ["a"]),
    (Range(FieldRole.NUMBER, "size", -3, 1e9), ["a", "b"]),
    (Range(FieldRole.NUMBER, "size", -2.5, 7, False, False), []),
    (Range(FieldRole.NUMBER, "size"), ["a", "b"]),
    (Range(FieldRole.DATE, "seen", microseconds(day(2)), include_low=False), ["c"]),
    (Range(FieldRole.DATE, "seen", None, microseconds(day(2)), True, False), ["a"]),
    (Range(FieldRole.DATE, "read", microseconds(day(1)), microseconds(day(3))), ["b"]),
    (Range(FieldRole.DATE, "read", high=-1), ["c"]),
    (Words("fox", "title"), ["a"]),
    (
        AnyOf((Term(FieldRole.KEYWORD, "tag", "two words"), Term(FieldRole.NUMBER, "pages", 100))),
        ["a", "b"],
    ),
    (Term(FieldRole.KEYWORD, "nowhere", "x"), []),
    (Range(FieldRole.NUMBER, "nowhere", 1), []),
]

_SCOPES: Final[list[tuple[list[tuple[str | None, str | None, set[str]]], list[str]]]] = [
    ([], []),
    ([("", None, set())], ["own draft", "own note"]),
    ([("", NOTES, set())], ["own note"]),
    ([("", None, {NOTES})], ["own draft"]),
    ([("", None, {NOTES, DRAFTS})], []),
    ([("-other", NOTES, set())], ["their note"]),
    ([("", DRAFTS, set()), ("-other", NOTES, set())], ["own draft", "their note"]),
    ([("", None, set()), ("", NOTES, set())], ["own draft", "own note"]),
    ([("", None, {NOTES}), ("", NOTES, set())], ["own draft", "own note"]),
    ([("-nobody", None, set())], []),
]


class MatchingContract(SearchIndexSupport):
    """Words, filters and scopes."""

    @final
    @pytest.mark.parametrize(("match", "found"), _WORDS, ids=map(str, range(len(_WORDS))))
    def test_words_find(
        self, index: SearchIndex, space: str, match: Node, found: list[str]
    ) -> None:
        self.put(
            index,
            note(key(space, "fox"), title=_FOX, kind="fox"),
            note(key(space, "dog"), body=_DOG),
            note(key(space, "other"), title="Other things"),
        )
        assert self.ids(index, match, Scope(space)) == found

    @final
    def test_a_phrase_does_not_reach_over_values(self, index: SearchIndex, space: str) -> None:
        self.put(index, note(key(space), title=["a quick", "fox runs"], body="away"))
        assert self.ids(index, phrase("quick fox"), Scope(space)) == []
        assert self.ids(index, phrase("runs away"), Scope(space)) == []
        assert self.ids(index, phrase("fox runs"), Scope(space)) == ["a"]

    @final
    @pytest.mark.parametrize(("match", "found"), _LONG_WORDS, ids=map(str, range(len(_LONG_WORDS))))
    def test_long_words_are_words(
        self, index: SearchIndex, space: str, match: Node, found: list[str]
    ) -> None:
        self.put(
            index,
            note(key(space, "long"), title=f"key {_LONG} end"),
            note(key(space, "cjk"), title=_NO_SPACES),
            note(key(space, "hello"), title="hello there"),
        )
        assert self.ids(index, match, Scope(space)) == found

    @final
    def test_a_text_without_an_end_of_a_word_costs_nothing_else(
        self, index: SearchIndex, space: str
    ) -> None:
        self.put(
            index,
            note(key(space), title="q" * 400_000, body="some fox", kind="novel"),
            note(key(space, "b"), title=f"fox {'q' * 70_000} hound"),
        )
        assert self.ids(index, Words("fox"), Scope(space)) == ["a", "b"]
        assert self.ids(index, Words("hound"), Scope(space)) == ["b"]
        assert self.ids(index, phrase("fox hound"), Scope(space)) == []

    @final
    @pytest.mark.parametrize("text", ["ünïcode", "ÜNÏCODE", "日本", "x86", "don't", "a.b", "снег"])
    def test_words_of_any_script_are_found(self, index: SearchIndex, space: str, text: str) -> None:
        self.put(index, note(key(space), title=f"about ünïcode, 日本 x86 don't a.b: Снег ({text})"))
        assert self.ids(index, Words(text), Scope(space)) == ["a"]

    @final
    @pytest.mark.parametrize("text", [*'+-&|!(){}[]^"~*?:\\/<>=\x00', "AND", "title:fox"])
    def test_text_is_never_an_engines_syntax(
        self, index: SearchIndex, space: str, text: str
    ) -> None:
        self.put(index, note(key(space), title="some fox"))
        for node in (Words(text), Phrase((text, text)), Prefix(text), Words(text, "body")):
            assert self.ids(index, node, Scope(space)) == []

    @final
    def test_it_says_what_it_can(self, index: SearchIndex) -> None:
        assert (Capability.STEMMING in index.capabilities) is self.stems

    @final
    def test_stems_find_each_other_but_are_no_prefixes(
        self, index: SearchIndex, space: str
    ) -> None:
        skip_unless(self.stems, "this index does not stem")
        self.put(index, note(key(space), title="She is running, and happy"))
        for text in ("run", "runs", "running", "happiness"):
            assert self.ids(index, Words(text), Scope(space)) == ["a"]
            assert self.ids(index, Words(text, "title"), Scope(space)) == ["a"]
        assert self.ids(index, phrase("run and happiness"), Scope(space)) == ["a"]
        assert self.ids(index, Prefix("runni"), Scope(space)) == ["a"]
        assert self.ids(index, Prefix("happ", "title"), Scope(space)) == ["a"]
        assert self.ids(index, Prefix("happi"), Scope(space)) == []

    @final
    @pytest.mark.parametrize(("one", "found"), _FILTERS, ids=map(str, range(len(_FILTERS))))
    def test_filters_hold(
        self, index: SearchIndex, space: str, one: Filter, found: list[str]
    ) -> None:
        self.put(
            index,
            note(key(space, "a"), title="A fox", kind="novel", pages=100, size=-2.5, seen=day(1)),
            note(
                key(space, "b"),
                body="A fox",
                kind=["poem", "novel"],
                tag=["two words"],
                pages=[200, 300],
                size=7,
                seen=day(2),
                read=day(2),
            ),
            note(key(space, "c"), tag=_ODD, pages=200, seen=day(3), read=_BEFORE_1970),
            note(key(space, "d")),
            note(key(space, "e", DRAFTS), other="novel"),
        )
        assert self.ids(index, All(), Scope(space), filters=(one,)) == found

    @final
    def test_all_filters_must_hold(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "a"), kind="novel", pages=1),
            note(key(space, "b"), kind="novel", pages=2),
            note(key(space, "c"), kind="poem", pages=2),
        )
        both = (Term(FieldRole.KEYWORD, "kind", "novel"), Term(FieldRole.NUMBER, "pages", 2))
        assert self.ids(index, All(), Scope(space), filters=both) == ["b"]

    @final
    def test_a_field_of_two_types_is_found_by_both(self, index: SearchIndex, space: str) -> None:
        self.put(index, note(key(space, "a"), tag=7), note(key(space, "b"), tag="7"))
        for role, value, found in (
            (FieldRole.NUMBER, 7.0, "a"),
            (FieldRole.KEYWORD, "7", "b"),
        ):
            one = Term(role, "tag", value)
            assert self.ids(index, All(), Scope(space), filters=(one,)) == [found]

    @final
    @pytest.mark.parametrize("number", _LONG_NUMBERS)
    def test_numbers_keep_their_last_digit(
        self, index: SearchIndex, space: str, number: float
    ) -> None:
        self.put(index, note(key(space), pages=number, size=number))
        for path in ("pages", "size"):
            same = (Term(FieldRole.NUMBER, path, number),)
            facets = (Facet(FieldRole.NUMBER, path),)
            page = index.search(SearchQuery(All(), (Scope(space),), same, facets))
            assert page.facets == ((FacetCount(number, 1),),)
        (hit,) = self.hits(index, All(), Scope(space), sort=Sort(FieldRole.NUMBER, "pages"))
        assert hit.sort_value == number

    @final
    @pytest.mark.parametrize(("scopes", "found"), _SCOPES, ids=map(str, range(len(_SCOPES))))
    def test_scopes_bound_the_whole_answer(
        self,
        index: SearchIndex,
        space: str,
        scopes: list[tuple[str | None, str | None, set[str]]],
        found: list[str],
    ) -> None:
        other = f"{space}-other"
        self.put(
            index,
            note(key(space, "1"), title="secret fox", kind="own note"),
            note(key(space, "2", DRAFTS), title="secret fox", kind="own draft"),
            note(key(other, "3"), title="secret fox", kind="their note"),
            note(key(other, "4", DRAFTS), title="secret fox", kind="their draft"),
        )
        allowed = tuple(
            Scope(f"{space}{suffix}", collection, frozenset(besides))
            for suffix, collection, besides in scopes
        )
        facets = (Facet(FieldRole.KEYWORD, "kind"),)
        for match in (All(), Words("secret"), Prefix("sec"), Not(Words("nothing"))):
            page = index.search(SearchQuery(match, allowed, facets=facets))
            assert page.total == len(page.hits) == len(found)
            assert sorted(str(one.value) for one in page.facets[0]) == found

    @final
    def test_a_scope_of_every_space_covers_one_collection(
        self, index: SearchIndex, space: str
    ) -> None:
        self.put(index, note(key(space), title=space), note(key(space, "b", DRAFTS), title=space))
        assert self.ids(index, Words(space), Scope(None, DRAFTS)) == ["b"]
        assert self.ids(index, Words(space), Scope(None)) == ["a", "b"]
        assert self.ids(index, Words(space), Scope(None, None, frozenset({NOTES}))) == ["b"]
