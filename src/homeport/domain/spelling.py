"""Words that are nearly the same."""

from __future__ import annotations


def resembles(word: str, asked: str, edits: int) -> bool:
    """Whether at most so many letters are missing, too many, others, or exchanged with their
    neighbour (that is one edit, if nothing else is done to the two)."""
    if edits == 0 or word == asked:
        return word == asked
    if abs(len(word) - len(asked)) > edits:
        return False
    before: list[int] = []
    row = list(range(len(asked) + 1))
    for place, letter in enumerate(word):
        older, before, row = before, row, [place + 1]
        for at, other in enumerate(asked):
            cost = min(before[at + 1] + 1, row[at] + 1, before[at] + (letter != other))
            exchanged = place and at and letter == asked[at - 1] and other == word[place - 1]
            row.append(min(cost, older[at - 1] + 1) if exchanged else cost)
        if min(row) > edits:
            return False
    return row[-1] <= edits
