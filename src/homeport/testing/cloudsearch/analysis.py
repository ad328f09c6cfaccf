"""What becomes of text: words, without case and accents, stemmed, without stop words.

CloudSearch splits at the word breaks of Unicode, lower-cases, and applies the analysis scheme
of the field to documents and queries alike. The stemming here is in the manner of Porter's
first steps and smaller than the real one; it is the same at both ends, so what a test finds by
an inflected form, it finds. Do not conclude from it which forms the real one joins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_STOPWORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with",
    )
)
_FOLDED: Final = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d"})
_VOWELS: Final = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class AnalysisScheme:
    """How text is processed. `AnalysisScheme()` keeps every word as it is written."""

    stemming: bool = False
    stopwords: frozenset[str] = frozenset()


SCHEMES: Final = {
    "_en_default_": AnalysisScheme(stemming=True, stopwords=_STOPWORDS),
    "_mul_default_": AnalysisScheme(),
}
"""The built-in ones that are emulated; a domain may have more of its own."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: what is indexed, its place among the words, and where it stands."""

    term: str
    position: int
    start: int
    end: int


def analyze(text: str, scheme: AnalysisScheme) -> Iterator[Token]:
    """The words of a text. Stop words are left out, their places stay empty."""
    for position, (start, end) in enumerate(_words(text)):
        term = normalize(text[start:end])
        if term in scheme.stopwords:
            continue
        yield Token(stem(term) if scheme.stemming else term, position, start, end)


def normalize(word: str) -> str:
    """Without case, without the accents of Latin letters."""
    kept: list[str] = []
    for char in unicodedata.normalize("NFD", word.lower()):
        accent = unicodedata.combining(char) and kept and kept[-1].isascii()
        if not accent:
            kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_FOLDED).replace("\u2019", "'")


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each word: letters, digits, marks, and what may stand inside a word."""
    start: int | None = None
    for place, char in enumerate(text):
        if _ideograph(char):
            if start is not None:
                yield start, place
            yield place, place + 1
            start = None
        elif _inside(char) or (start is not None and _joins(text, place)):
            start = place if start is None else start
        elif start is not None:
            yield start, place
            start = None
    if start is not None:
        yield start, len(text)


def _inside(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")


def _joins(text: str, place: int) -> bool:
    """A period or apostrophe between letters or digits, a comma between digits."""
    before, after = text[place - 1], text[place + 1 : place + 2]
    if text[place] == ",":
        return before.isdigit() and after.isdigit()
    return text[place] in ".'\u2019" and before.isalnum() and after.isalnum()


def _ideograph(char: str) -> bool:
    """Scripts without spaces: each character is a word of its own."""
    return "\u3040" <= char <= "\u309f" or "\u3400" <= char <= "\u9fff"


@lru_cache(maxsize=10_000)
def stem(word: str) -> str:
    """The form under which English inflections of a word meet."""
    word = word.removesuffix("'s")
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return word
    word = _without_plural(word)
    if len(word) > 6:
        word = word.removesuffix("ness")
    for suffix in ("ing", "ed"):
        trunk = word.removesuffix(suffix)
        if trunk != word and len(trunk) > 1 and _VOWELS & set(trunk):
            word = _without_double(trunk)
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 2 and word.endswith("y") and word[-2] not in _VOWELS:
        word = word[:-1] + "i"
    return word


def _without_plural(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("ies"):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _without_double(trunk: str) -> str:
    if trunk[-1] == trunk[-2] and trunk[-1] not in "aeioulsz":
        return trunk[:-1]
    return trunk
