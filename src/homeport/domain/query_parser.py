"""What a user types into a search box, as a tree.

    run fast          both words
    "run fast"        side by side, in this order
    -slow             without this word; also -"a phrase" and -pre*
    run*              words that begin so
    shose~            words that are so or nearly so
    e-mail            words joined by - / or : stand side by side

It forgives everything: a quote that is never closed, operators without a word and characters
that mean something to some engine are passed over, and so is all that comes after the first 32
words: whoever pastes a long text finds what has its first words. Only letters, digits and their
marks, and the few signs that stand inside words, reach the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.query import All, Fuzzy, Node, Not, Nothing, Phrase, Prefix, Words
from homeport.domain.words import composed, cut_words, mark_or_space


@lru_cache(1024)
def parse_query(text: str | None, parameter: str = "q") -> Node:
    """The tree for `text`: everything where it is absent or blank, Nothing where it holds no
    word. Nothing stands in it twice. Raises Invalid, naming `parameter`, for more than 1 KB of
    UTF-8.

    The last ones are kept: each page of a search, and each of its users, asks again.
    """
    if text is None or not text.strip():
        return All()
    if len(text.encode(errors="surrogatepass")) > limits.QUERY_BYTES:
        raise Invalid(
            "The query is too long.",
            (Fault(parameter, f"at most {limits.QUERY_BYTES} bytes of UTF-8"),),
        )
    nodes = tuple(_first_words(dict.fromkeys(_nodes(composed(text).translate(_PLAIN_QUOTES)))))
    if not nodes:
        return Nothing()
    return nodes[0] if len(nodes) == 1 and not isinstance(nodes[0], Not) else All(nodes)


def split_words(text: str) -> list[str]:
    """The words in `text`, as typed, without anything that stands between words."""
    if text.isalnum():
        return [text]
    kept = _BETWEEN.sub(" ", text)
    if not kept.isascii():
        kept = _UNUSUAL.sub(mark_or_space, kept)
    words = (run.strip(_INSIDE) for run in kept.split())
    return [word for word in words if _is_word(word)]


def _nodes(text: str) -> Iterator[Node]:
    for negated, quoted, bare in _PIECE.findall(text):
        nodes = _bare(bare) if bare else _side_by_side(split_words(quoted))
        if not negated:
            yield from nodes
        elif len(nodes) > 1:
            yield Not(All(tuple(dict.fromkeys(nodes))))
        elif nodes:
            yield Not(nodes[0])


def _first_words(nodes: Iterable[Node]) -> Iterator[Node]:
    """What begins within the first words, which is what a search may take."""
    count = 0
    for node in nodes:
        if count >= limits.QUERY_WORDS:
            return
        yield node
        count += _count_words(node)


def _count_words(node: Node) -> int:
    if isinstance(node, Not):
        return _count_words(node.node)
    if isinstance(node, All):
        return sum(map(_count_words, node.nodes))
    return len(node.words) if isinstance(node, Phrase) else 1


def _bare(piece: str) -> list[Node]:
    """What a piece without spaces means: things that must all match."""
    if piece.isalnum():
        return [Words(piece)]
    return [node for part in _PART.findall(piece) for node in _part(part)]


def _part(part: str) -> Iterator[Node]:
    words = split_words(part)
    if words and part.endswith(("*", "~")):
        *words, last = cut_words(part)
        yield Prefix(last) if part.endswith("*") else Fuzzy(last)
    yield from _side_by_side(words)


def _side_by_side(words: Sequence[str]) -> list[Node]:
    """A phrase, where it takes one; else the word, if there is any."""
    if len(words) > 1:
        return [Phrase(tuple(words))]
    return [Words(word) for word in words]


def _is_word(text: str) -> bool:
    """Whether there is a letter or digit: marks alone, and signs, are none."""
    return any(map(str.isalnum, text))


_INSIDE: Final = "._'\u2019@"
"""Signs that may stand inside a word: indexes cut there, and look for the parts side by side."""
_BETWEEN: Final = re.compile(rf"[^\w{_INSIDE}\x80-\U0010ffff]+")
"""ASCII that stands between words; \\w is what isalnum() says, and the sign _."""
_UNUSUAL: Final = re.compile(rf"[^\w{_INSIDE}\x00-\x7f]")
_PIECE: Final = re.compile(r'(-?)(?:"([^"]*)"|([^\s"]+))')
_PART: Final = re.compile(r"[^*!(){}\[\]^~?\\&|,;<>=]+(?:\*|~\Z)?")
_PLAIN_QUOTES: Final = str.maketrans("“”„", '"""')
