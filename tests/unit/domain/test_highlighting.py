"""Where phrases are in a text, and the fragments around them."""

from __future__ import annotations

import pytest

from homeport.domain.highlighting import Phrases, fragments


@pytest.mark.parametrize(
    ("phrases", "text", "places"),
    [
        (["b"], "a b c b", [1, 3]),
        (["a b", "c"], "a b a c b", [0, 1, 3]),
        (["a a"], "a a a b a", [0, 1, 2]),
        (["a b c", "b c d", "c"], "a b c d", [0, 1, 2, 3]),
        (["a b", "a b c d"], "a b c x", [0, 1]),
        (["a b"], "b a", []),
        ([""], "a b", []),
        ([], "a b", []),
    ],
)
def test_every_word_of_a_match_is_found_once(
    phrases: list[str], text: str, places: list[int]
) -> None:
    assert Phrases(one.split() for one in phrases).places(text.split()) == places


def test_many_phrases_are_looked_for_in_one_go() -> None:
    # Each word held against each phrase would take minutes.
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopq"]
    text = words * 300
    assert Phrases([one] for one in words).places(text) == list(range(len(text)))


def test_of_a_long_phrase_the_first_16_words_count() -> None:
    phrases = Phrases([[*"abcdefghijklmnopqrst"]])
    assert phrases.places([*"abcdefghijklmnop", "x"]) == list(range(16))
    assert phrases.places([*"abcdefghijklmno", "x"]) == []


def test_a_fragment_is_escaped_and_marked() -> None:
    assert fragments("if a < b & c", [(3, 4)]) == ("if <em>a</em> &lt; b &amp; c",)
