"""Real text: the docstrings of Python's own library, and what installed packages say of
themselves. The same at each run with the same Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any, Final

from homeport.entrypoints.cli.corpus import notes, sources, standard_library

EDITION: Final = 2
"""Of what `documents` gives: what was loaded of another is loaded anew."""
KINDS: Final = ("function", "method", "class", "module", "package")
_CHARACTERS: Final = 700
"""Of a text: most docstrings are shorter."""
_STEP: Final = 7919
"""A prime: hardly two numbers have their stretch from one place."""
_WORD: Final = re.compile(r"\b[a-z]{5,12}\b")


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str
    kind: str


@cache
def texts(quick: bool = False) -> tuple[Text, ...]:
    """Some ten thousand; `quick`: some hundred, since parsing all of them takes seconds."""
    root = standard_library()
    chosen = sources(root)[:: 40 if quick else 1]
    found = [
        Text(one.title, one.body[:_CHARACTERS], one.kind)
        for source in chosen
        for one in notes(root, source)
    ]
    for package in metadata.distributions():
        name, summary = package.metadata["Name"], package.metadata["Summary"]
        if name and summary:
            found.append(Text(name, summary, "package"))
    return tuple(sorted(set(found), key=lambda one: (one.title, one.body)))


def documents(count: int, *, quick: bool = False) -> Iterator[dict[str, Any]]:
    """`count` records' data. Beyond the number of texts each comes again with as many words from
    somewhere in all of them: a record of many is as long as one of few."""
    known = texts(quick)
    running = [word for text in known for word in text.body.split()]
    for number in range(count):
        passes, place = divmod(number, len(known))
        text = known[place]
        body = text.body
        if passes:
            length = len(body.split())
            start = number * _STEP % (len(running) - length)
            body = " ".join(running[start : start + length])
        yield {
            "title": text.title,
            "body": body,
            "kind": text.kind,
            "n": number,
            "done": False,
        }


def words_of(document: dict[str, Any]) -> set[str]:
    """Those of its text that may be searched for."""
    return set(_WORD.findall(document["body"].lower()))


def words(
    documents: Sequence[dict[str, Any]], count: int = 500, *, least: float = 0.0, most: float = 0.05
) -> list[str]:
    """Words that people would search for: neither in nearly every document nor in hardly any,
    the most frequent first; `least` and `most` are shares of the documents. As each stands in the
    text, so that engines that look for parts of words, and such as look for words, both find it."""
    seen = Counter(word for one in documents for word in words_of(one))
    fewest, limit = max(2, least * len(documents)), most * len(documents)
    return [word for word, times in seen.most_common() if fewest <= times <= limit][:count]
