"""Words that are nearly the same, held against the table of all distances."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homeport.domain.spelling import resembles

letters = st.text("ab", max_size=8) | st.text("abcde", max_size=12)


@given(word=letters, asked=letters, edits=st.integers(0, 3))
def test_what_resembles_is_within_the_distance(word: str, asked: str, edits: int) -> None:
    assert resembles(word, asked, edits) is (distance(word, asked) <= edits)


@given(start=letters, end=letters, word=letters, asked=letters, edits=st.integers(0, 2))
def test_what_words_begin_and_end_with_alike_is_no_difference(
    start: str, end: str, word: str, asked: str, edits: int
) -> None:
    whole = resembles(start + word + end, start + asked + end, edits)
    assert whole is resembles(word, asked, edits)


def distance(word: str, asked: str) -> int:
    """How many edits there are between all beginnings of the two, one by one."""
    table = [[max(row, at) for at in range(len(asked) + 1)] for row in range(len(word) + 1)]
    for row, letter in enumerate(word, 1):
        for at, other in enumerate(asked, 1):
            table[row][at] = min(
                table[row - 1][at] + 1,
                table[row][at - 1] + 1,
                table[row - 1][at - 1] + (letter != other),
            )
            if row > 1 and at > 1 and letter == asked[at - 2] and other == word[row - 2]:
                table[row][at] = min(table[row][at], table[row - 2][at - 2] + 1)
    return table[-1][-1]
