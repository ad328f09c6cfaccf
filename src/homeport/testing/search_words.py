"""The search index's contract: where words end, and which letters are one."""

from __future__ import annotations

from typing import ClassVar, Final, final

import pytest

from homeport.domain.model.query import Fuzzy, Node, Phrase, Prefix, Scope, Words
from homeport.domain.ports.search_index import SearchIndex
from homeport.testing.contract import skip_unless
from homeport.testing.search_support import SearchIndexSupport, key, note

_SIGNS: Final = {
    "file": "q3.report.pdf",
    "name": "see my_report_v2",
    "quote": "we don't, we can\u2019t",
    "site": "visit example.com",
    "mail": "ann@example.com",
    "number": "costs 1,000 or 12:30",
    "unseen": "10\u00a0km, soft\u00adhyphen and zero\u200bwidth",
    "emoji": "i\u2764\ufe0fvienna",
}
_AT_SIGNS: Final[list[tuple[Node, list[str]]]] = [
    (Words("report"), ["file", "name"]),
    (Words("q3.report.pdf"), ["file"]),
    (Words("report.q3"), []),
    (Prefix("pd"), ["file"]),
    (Words("my"), ["name"]),
    (Words("v2", "title"), ["name"]),
    (Words("my_report"), ["name"]),
    (Phrase(("report", "v2")), ["name"]),
    (Words("don"), ["quote"]),
    (Words("don't"), ["quote"]),
    (Words("don\u2019t", "title"), ["quote"]),
    (Words("can't"), ["quote"]),
    (Words("example"), ["mail", "site"]),
    (Words("visit.example"), ["site"]),
    (Words("ann"), ["mail"]),
    (Words("000"), ["number"]),
    (Words("1,000"), ["number"]),
    (Words("12"), ["number"]),
    (Words("km"), ["unseen"]),
    (Words("hyphen"), ["unseen"]),
    (Prefix("wid"), ["unseen"]),
    (Words("vienna"), ["emoji"]),
]
_MARKED: Final = {
    "hindi": "एक भाषा",
    "hebrew": "שָׁלוֹם לכם",
    "arabic": "مُحَمَّد هنا",
    "latin": "x\u0302y ok",
    "joined": "यह हिन्दी",
    "thai": "คำ ที่นี่",
}
_MARKS: Final[list[tuple[Node, list[str]]]] = [
    (Words("भाषा"), ["hindi"]),
    (Words("भ"), []),
    (Prefix("भाष"), ["hindi"]),
    (Prefix("भाषा"), ["hindi"]),
    (Fuzzy("भाषी"), ["hindi"]),
    (Prefix("שָׁל"), ["hebrew"]),
    (Prefix("مُحَمّ"), []),
    (Prefix("مُحَم"), ["arabic"]),
    (Words("x\u0302y"), ["latin"]),
    (Words("हिन्दी"), ["joined"]),
    (Words("ह"), []),
]
_INSIDE_MARKS: Final[list[tuple[Node, list[str]]]] = [
    (Words("y"), []),
    (Prefix("x\u0302"), ["latin"]),
    (Words("हिन"), []),
    (Prefix("हिन्द"), ["joined"]),
    (Fuzzy("हिन्दू"), ["joined"]),
    (Words("ที่นี่"), ["thai"]),
    (Prefix("ที่"), ["thai"]),
]
_SIGMAS: Final = ("ΟΔΟΣ ΛΟΓΟΥ", "οδος λογου", "Οδοσ Λογου")


class WordsContract(SearchIndexSupport):
    """Words as texts are cut into them, the same for a document and a query."""

    signs: ClassVar[bool] = True
    """Whether words end at every sign, also where Unicode's rules (UAX #29) have them go on."""
    letters: ClassVar[bool] = True
    """Whether letters are told apart as Python's lower case does, with one small sigma. An engine
    that folds accents and ligatures has its own ways."""
    marks: ClassVar[bool] = True
    """Whether every mark stays with its letter: also those that are no part of an alphabet, as
    viramas, tone marks, and accents of no composed letter."""

    @final
    @pytest.mark.parametrize(("match", "found"), _AT_SIGNS, ids=map(str, range(len(_AT_SIGNS))))
    def test_words_end_at_signs(
        self, index: SearchIndex, space: str, match: Node, found: list[str]
    ) -> None:
        skip_unless(self.signs, "this index finds words with the signs inside them")
        self._put_texts(index, space, _SIGNS)
        assert self.ids(index, match, Scope(space)) == found

    @final
    def test_signs_inside_words_are_shown_as_they_were(
        self, index: SearchIndex, space: str
    ) -> None:
        skip_unless(self.signs, "this index finds words with the signs inside them")
        written = "_q3.report_v2's, it\u2019s 1,000 \uf800. <\u2060>"
        self.put(index, note(key(space), title=written))
        for text in ("report", "q3.report"):
            (hit,) = self.hits(index, Words(text), Scope(space), highlight=("title",))
            ((_, (shown,)),) = hit.highlights
            plain = shown.replace("<em>", "").replace("</em>", "")
            assert plain.partition("_v2&#x27;s, it\u2019s 1,000 ")[0] == "_q3.report"
            assert "<em>report</em>_v2" in shown

    @final
    @pytest.mark.parametrize(("match", "found"), _MARKS, ids=map(str, range(len(_MARKS))))
    def test_vowel_signs_and_points_stay_with_their_letters(
        self, index: SearchIndex, space: str, match: Node, found: list[str]
    ) -> None:
        self._find_marked(index, space, match, found)

    @final
    @pytest.mark.parametrize(
        ("match", "found"), _INSIDE_MARKS, ids=map(str, range(len(_INSIDE_MARKS)))
    )
    def test_all_marks_stay_with_their_letters(
        self, index: SearchIndex, space: str, match: Node, found: list[str]
    ) -> None:
        skip_unless(self.marks, "this index ends words at some marks")
        self._find_marked(index, space, match, found)

    @final
    def test_a_word_is_marked_with_its_vowel_signs(self, index: SearchIndex, space: str) -> None:
        self._put_texts(index, space, _MARKED)
        for match in (Words("भाषा"), Prefix("भाष")):
            (hit,) = self.hits(index, match, Scope(space), highlight=("title",))
            assert hit.highlights == (("title", ("एक <em>भाषा</em>",)),)

    @final
    def test_a_sigma_is_one_letter_wherever_it_stands(self, index: SearchIndex, space: str) -> None:
        skip_unless(self.letters, "this index folds letters in its own way")
        self.put(
            index,
            *(note(key(space, f"{n}"), title=one, body=one) for n, one in enumerate(_SIGMAS)),
        )
        for text in ("ΟΔΟΣ", "οδος", "οδοσ"):
            for path in (None, "title", "body"):
                for match in (
                    *(Words(text, path), Phrase((text, "ΛΟΓΟΥ"), path), Prefix(text, path)),
                    *((Fuzzy(text, path),) if self.fuzzy else ()),
                ):
                    hits = self.hits(index, match, Scope(space), highlight=("title",))
                    assert len(hits) == len(_SIGMAS), match
                    if path != "body":
                        for hit in hits:
                            ((_, (shown,)),) = hit.highlights
                            assert f"<em>{_SIGMAS[int(hit.key.id)][:4]}</em>" in shown

    @final
    def test_a_capital_i_keeps_its_dot(self, index: SearchIndex, space: str) -> None:
        skip_unless(self.letters, "this index folds letters in its own way")
        self.put(index, note(key(space, "dot"), title="\u0130stanbul"))
        self.put(index, note(key(space, "no dot"), title="Istanbul"))
        for match in (Words("\u0130STANBUL"), Prefix("\u0130st"), Prefix("\u0130")):
            assert self.ids(index, match, Scope(space)) == ["dot"]
        for match in (Words("istanbul"), Prefix("ist")):
            assert self.ids(index, match, Scope(space)) == ["no dot"]

    def _find_marked(self, index: SearchIndex, space: str, match: Node, found: list[str]) -> None:
        if isinstance(match, Fuzzy):
            skip_unless(self.fuzzy, "this index finds no words that are nearly so")
        self._put_texts(index, space, _MARKED)
        assert self.ids(index, match, Scope(space)) == found

    def _put_texts(self, index: SearchIndex, space: str, texts: dict[str, str]) -> None:
        self.put(index, *(note(key(space, id), title=text) for id, text in texts.items()))
