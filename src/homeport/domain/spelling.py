"""Words that are nearly the same."""

from __future__ import annotations


def resembles(word: str, asked: str, edits: int) -> bool:
    """Whether at most so many letters are missing, too many, others, or exchanged with their
    neighbour (that is one edit, if nothing else is done to the two).

    What both begin with is passed over at once, and each edit is tried where they differ: of
    words however long few letters are looked at. It takes four times as long for each edit more.
    """
    if edits == 0:
        return word == asked
    if abs(len(word) - len(asked)) > edits:
        return False
    if word[:1] == asked[:1]:
        same = _alike(word, asked)
        word, asked = word[same:], asked[same:]
    if not word or not asked:
        return True
    return (
        resembles(word[1:], asked[1:], edits - 1)
        or resembles(word[1:], asked, edits - 1)
        or resembles(word, asked[1:], edits - 1)
        or (word[:2] == asked[1::-1] and resembles(word[2:], asked[2:], edits - 1))
    )


def _alike(one: str, other: str) -> int:
    """How many letters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
