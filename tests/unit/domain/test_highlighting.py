"""Where phrases are in a text, and the fragments around them."""

from __future__ import annotations

from homeport.domain.highlighting import Phrases, fragments
from tests.unit.domain.tables import check


def test_every_word_of_a_match_is_found_once() -> None:
    def places(case: tuple[list[str], str]) -> list[int]:
        phrases, text = case
        return list(Phrases(one.split() for one in phrases).places(text.split()))

    table: list[tuple[list[str], str, list[int]]] = [
        (["b"], "a b c b", [1, 3]),
        (["a b", "c"], "a b a c b", [0, 1, 3]),
        (["a a"], "a a a b a", [0, 1, 2]),
        (["a b c", "b c d", "c"], "a b c d", [0, 1, 2, 3]),
        (["a b", "a b c d"], "a b c x", [0, 1]),
        (["a b"], "b a", []),
        ([""], "a b", []),
        ([], "a b", []),
    ]
    check(places, [((phrases, text), found) for phrases, text, found in table])


def test_many_phrases_are_looked_for_in_one_go() -> None:
    compared = 0

    class Word(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopq"]
    text = [Word(one) for one in words * 3]
    assert list(Phrases([one] for one in words).places(text)) == list(range(len(text)))
    # Each word held against each phrase would be hundreds for one.
    assert compared <= 4 * len(text)


def test_of_a_long_phrase_the_first_16_words_count() -> None:
    phrases = Phrases([[*"abcdefghijklmnopqrst"]])
    assert list(phrases.places([*"abcdefghijklmnop", "x"])) == list(range(16))
    assert list(phrases.places([*"abcdefghijklmno", "x"])) == []


def test_a_phrase_that_repeats_itself_takes_no_more_steps_than_it_may() -> None:
    phrases = Phrases([[*"aaab"], ["c"]])
    text = [*"aaaac", *"aaab"]
    assert list(phrases.places(text)) == [4, 5, 6, 7, 8]
    assert list(phrases.places(text, 10)) == []
    assert list(phrases.places(text, 20)) == [4, 5, 6, 7, 8]


def test_a_fragment_is_escaped_and_marked() -> None:
    assert fragments("if a < b & c", [(3, 4)]) == ("if <em>a</em> &lt; b &amp; c",)


def test_a_fragment_ends_between_words_after_about_150_characters() -> None:
    text = "word " * 100
    (only,) = fragments(text, [(0, 4)])
    assert only == "<em>word</em>" + " word" * 29
    last = text.index("word", 250)
    (only,) = fragments(text, [(last, last + 4)])
    before, _, after = only.partition("<em>word</em>")
    assert before == "word " * 8
    assert after == " word" * 21


def test_a_fragment_that_reaches_the_end_keeps_the_last_word() -> None:
    text = "w" * 4 + " " + "x" * 145
    assert fragments(text, [(0, 4)]) == ("<em>wwww</em> " + "x" * 145,)
    assert fragments(text + "x", [(0, 4)]) == ("<em>wwww</em>",)


def test_matches_that_are_near_share_a_fragment_and_three_are_the_most() -> None:
    text = "fox " + "x " * 100
    text = text * 5
    spans = [(start, start + 3) for start in range(0, len(text), 204)]
    found = fragments(text, spans)
    assert len(found) == 3
    assert all(one.count("<em>fox</em>") == 1 for one in found)
    assert fragments("fox fox", [(4, 7), (0, 3)]) == ("<em>fox</em> <em>fox</em>",)


def test_a_match_that_is_longer_than_a_fragment_is_whole() -> None:
    text = "x" * 200
    assert fragments(f"{text} y", [(0, 200)]) == (f"<em>{text}</em>",)


def test_what_ends_where_the_fragment_does_is_still_marked() -> None:
    text = "fox " + "x" * 142 + " fox and so on"
    assert fragments(text, [(0, 3), (147, 150)])[0].endswith("x <em>fox</em>")


def test_a_fragment_begins_with_the_first_whole_word() -> None:
    text = "abcdef " * 60
    (only,) = fragments(text, [(140, 146)])
    assert only.startswith("abcdef " * 5 + "<em>abcdef</em> abcdef")
    one_word = "x" * 100 + "fox and so on"
    assert fragments(one_word, [(100, 103)]) == ("x" * 40 + "<em>fox</em> and so on",)


def test_each_fragment_is_of_another_place() -> None:
    words = [f"fox{number} " + "x " * 100 for number in range(3)]
    text = "".join(words)
    spans = [(start, start + 4) for start in range(0, len(text), 205)]
    found = fragments(text, spans)
    assert [f"<em>fox{number}</em>" in found[number] for number in range(3)] == [True] * 3


def test_matches_that_overlap_are_marked_once() -> None:
    assert fragments("abcd efgh", [(0, 4), (1, 3), (5, 9)]) == ("<em>abcd</em> <em>efgh</em>",)
