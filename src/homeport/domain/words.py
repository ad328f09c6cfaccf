"""Text cut into words, as every index has to find them.

A word is a run of letters and digits with the marks that stand on them: accents, points, vowel
signs. All else stands between words, and so do the signs that choose how an emoji looks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
"""Where something begins and ends in a text, in code points."""


def word_spans(text: str) -> Iterator[Span]:
    """Where the words of a text are, in order."""
    return (found.span() for found in _WORD.finditer(without_signs(text)))


def cut_words(text: str) -> list[str]:
    """The words of a text, as written, in order."""
    return _WORD.findall(without_signs(text))


def as_found(word: str) -> str:
    """A word as it is looked for: in lower case, with the same sigma wherever it stands."""
    return one_sigma(word.lower())


def one_sigma(text: str) -> str:
    return text.replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")


def composed(text: str) -> str:
    """A text or a query with each letter and its accents as one character, where there is one
    (NFC): what is written in the one way is found by the other. The i with a dot above, which is
    what the capital one has for lower case, is that capital: some indexes would cut it in two."""
    if is_latin(text):
        return text
    if _MANY_MARKS.search(text) is None:
        text = unicodedata.normalize("NFC", text)
    else:
        # What sorts a letter's marks takes the square of their number.
        text = "".join(unicodedata.normalize("NFC", one) for one in _THIRTY.split(text))
    return text.replace("i\u0307", "\u0130")


def is_latin(text: str) -> bool:
    """Whether it has none but the first 256 characters, of which none is a mark: a quick look."""
    try:
        return text.isascii() or bool(text.encode("latin-1"))
    except UnicodeEncodeError:
        return False


def without_signs(text: str) -> str:
    """Text of the same length with a space for whatever is no ASCII, letter, digit or mark."""
    if text.isascii():
        return text
    unusual = set(_UNUSUAL.findall(text))
    if len(unusual) > _FEW:
        return _UNUSUAL.sub(mark_or_space, text)
    # In a text with a mark on every letter this takes half as long.
    for char in unusual:
        if not is_mark(char):
            text = text.replace(char, " ")
    return text


def is_mark(char: str) -> bool:
    """Whether it belongs to the letter before it."""
    return unicodedata.category(char).startswith("M") and char not in _LOOKS


def mark_or_space(found: re.Match[str]) -> str:
    """What to put for a character that is no letter and no digit."""
    return found[0] if is_mark(found[0]) else " "


_UNUSUAL: Final = re.compile(r"[^\w\x00-\x7f]")
_MANY_MARKS: Final = re.compile(r"[^\w\x00-\x7f]{31}")
_THIRTY: Final = re.compile(r"([^\w\x00-\x7f]{30})")
_WORD: Final = re.compile(r"[^\W_][0-9A-Za-z\x80-\U0010ffff]*")
"""In a text without signs, where beyond ASCII there are only letters, digits and marks."""
_FEW: Final = 32
_LOOKS: Final = frozenset([*map(chr, range(0xFE00, 0xFE10)), "\u20e3"])
"""Variation selectors and the keycap: marks by name, but on signs."""
