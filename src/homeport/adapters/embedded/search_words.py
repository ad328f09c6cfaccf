"""How text becomes words in a tantivy index."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import tantivy

from homeport.domain.words import is_latin, is_mark, one_sigma, without_signs


def analyzer(stems: str) -> tantivy.TextAnalyzer:
    """Cuts text into words, and these to their stems in a language, if one is named."""
    # Small letters may be longer than capitals: it is they whose length counts.
    filters = [tantivy.Filter.lowercase(), tantivy.Filter.remove_long(_LONGEST_WORD)]
    if stems:
        filters.append(tantivy.Filter.stemmer(stems))
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for one in filters:
        builder = builder.filter(one)
    return builder.build()


def as_indexed(text: str) -> str:
    """Text of the same length as tantivy is to see it. The small sigma that ends words is another
    one, since tantivy never makes one of a capital. Marks at which it would cut a word in two, such
    as viramas, tone marks and accents of no composed letter, have letters as stand-ins; marks on
    nothing, and signs that it takes for letters, are blanks."""
    if is_latin(text):
        return text
    text = one_sigma(text)
    unusual = [char for char in set(text) if char > _LATIN and not char.isalnum()]
    if any(map(is_mark, unusual)):
        text = _ON_NOTHING.sub(lambda found: " " * len(found[0]), without_signs(text))
    stand_ins = {ord(char): one for char in unusual if (one := _stand_in(char)) != char}
    if len(stand_ins) > _FEW:
        return text.translate(stand_ins)
    for mark, one in stand_ins.items():  # takes half as long
        text = text.replace(chr(mark), one)
    return text


@lru_cache(maxsize=4096)
def _stand_in(char: str) -> str:
    """For a mark that tantivy takes for no part of a word, a letter of a script that hardly
    anybody writes, so that the length and the number of edits stay; for a sign that it takes for
    one, a blank."""
    is_part = len(_PLAIN.analyze(f"a{char}a")) == 1
    if is_part == is_mark(char):
        return char
    if is_part:
        return " "
    return chr(_TANGUT + ord(char) % _TANGUT_LETTERS)


BLANKS: Final = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
"""Cuts text at blanks alone, and leaves the pieces as they are."""
_LONGEST_WORD: Final = 2048
"""Bytes: twice a query's. Longer ones are left out, since what looks for a word's stem takes the
square of its length, a tenth of a second for 65,000."""
_PLAIN: Final = analyzer("")
_FEW: Final = 32
_LATIN: Final = "\u02ff"
_ON_NOTHING: Final = re.compile(r"(?<![^\W_])(?<![^\w\x00-\x7f])[^\w\x00-\x7f]+")
"""Marks, in a text without signs, behind neither a letter nor another mark."""
_TANGUT: Final = 0x17000
_TANGUT_LETTERS: Final = 6136
