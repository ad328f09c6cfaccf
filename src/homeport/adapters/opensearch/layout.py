"""How documents lie in an OpenSearch index, and what has to change where that changes.

    key                    space,collection,id, as the document's own id: the comma sorts below
                           every character of a name
    space, collection      for scopes; a removal's marker has neither, so no search finds it
    version                of the record
    expires                of a marker: when it may go, in microseconds since 1970
    all, all.plain         the words of all text fields: stemmed, and as written (for prefixes)
    text.*                 the words of one text field, in the same two ways
    keyword.* number.* date.* geo.*    all values of a field
    first.ROLE.*           the first of them, where the field is declared: it is sorted by
    state                  of the one document that a rebuild keeps its place in; not indexed

New fields may appear inside the role groups alone, where templates say what becomes of them; at
the top a name that is not known is refused. Dates are microseconds in a `long`: OpenSearch's own
type ends at milliseconds, or in 2262.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from homeport.domain.errors import Invalid
from homeport.domain.model.collection import Catalog, FieldRole

FORMAT: Final = 2
"""Raise it with every change to what is written: an older index has to be rebuilt then."""

KEY: Final = "key"
SPACE: Final = "space"
COLLECTION: Final = "collection"
VERSION: Final = "version"
EXPIRES: Final = "expires"
ALL: Final = "all"
STATE: Final = "state"
META: Final = "homeport"
"""What is ours in a mapping's `_meta`."""

LANGUAGES: Final = {
    "ar": "Arabic",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "ta": "Tamil",
    "tr": "Turkish",
    "none": "",
}
"""What `language` can be, and the Snowball stemmer of each, the same as the embedded index has;
`none` leaves words as they are."""

_BETWEEN: Final = (
    (0x00, 0x1F),
    (0x7F, 0xA0),
    (0xAD, 0xAD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x2000, 0x200F),
    (0x2028, 0x202F),
    (0x205F, 0x206F),
    (0x20E3, 0x20E3),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
)
"""What stands between words besides: controls, spaces that do not break, what joins or parts
without being seen, and what chooses how an emoji looks. None of them is in a group of its own."""
WORDS: Final[Mapping[str, Any]] = {
    "type": "char_group",
    "tokenize_on_chars": [
        *("whitespace", "punctuation", "symbol"),
        *(chr(code) for first, last in _BETWEEN for code in range(first, last + 1)),
    ],
}
"""The tokenizer: words end where the other indexes end them."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How an index that is there differs from what is wanted. `additive` are properties that can
    be added to it as it is; `rebuild` is why the records have to be indexed anew, or None."""

    additive: Mapping[str, Any]
    rebuild: str | None


class Layout:
    """The layout for what a catalog declares, in one language. `tokenizer` is for servers that
    lack the usual one."""

    def __init__(
        self,
        catalog: Catalog,
        language: str = "en",
        *,
        shards: int = 1,
        replicas: int = 1,
        max_fields: int = 5000,
        tokenizer: Mapping[str, Any] = WORDS,
    ) -> None:
        if language not in LANGUAGES:
            raise Invalid(f"The search language is one of {', '.join(LANGUAGES)}.")
        declared = {
            (one.role, path, one.boost)
            for collection in catalog.known()
            for path, one in collection.fields.items()
        }
        self.stems: Final = bool(LANGUAGES[language])
        self.columns: Final = frozenset((role, path) for role, path, _ in declared if role in TYPES)
        self.boosts: Final = {
            path: boost
            for role, path, boost in sorted(declared)
            if role is FieldRole.TEXT and boost > 1
        }
        self._points = sorted(path for role, path, _ in declared if role is FieldRole.GEO)
        self._language = language
        self._settings = {
            "number_of_shards": shards,
            "number_of_replicas": replicas,
            "mapping": {"total_fields": {"limit": max_fields}},
        }
        self._tokenizer = tokenizer

    @property
    def digest(self) -> str:
        """Another one wherever documents are laid out in another way."""
        text = json.dumps(self.described(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def described(self) -> dict[str, Any]:
        """What is kept with an index, to tell later what it was made for."""
        return {
            "format": FORMAT,
            "language": self._language,
            "columns": sorted(f"{role} {path}" for role, path in self.columns),
            "points": self._points,
        }

    def template(self, *, serverless: bool) -> dict[str, Any]:
        """Settings and mappings of a new index. A serverless collection has no say in shards."""
        settings = {} if serverless else self._settings
        return {
            "settings": {"index": settings, "analysis": self._analysis()},
            "mappings": {
                "dynamic": "strict",
                "_meta": {META: self.described()},
                "dynamic_templates": _TEMPLATES,
                "properties": {
                    KEY: {"type": "keyword"},
                    SPACE: {"type": "keyword"},
                    COLLECTION: {"type": "keyword"},
                    VERSION: {"type": "long"},
                    EXPIRES: {"type": "long"},
                    ALL: _TEXT,
                    STATE: {"type": "object", "enabled": False},
                    **{role.value: {"type": "object", "dynamic": True} for role in FieldRole},
                    **self._firsts(self.columns),
                },
            },
        }

    def differences(self, held: Mapping[str, Any]) -> Differences:
        """From what an index was made for: what `described` said then."""
        if held.get("format") != FORMAT:
            return Differences({}, "the search index was made by another version")
        if held.get("language") != self._language:
            return Differences({}, "the search index was made for another language")
        known = set(held.get("columns", ()))
        new = frozenset(one for one in self.columns if f"{one[0]} {one[1]}" not in known)
        points = set(self._points) - set(held.get("points", ()))
        names = sorted([path for _, path in new] + list(points))
        reason = f"fields were declared since: {', '.join(names)}" if names else None
        return Differences(self._firsts(new) if new else {}, reason)

    def _firsts(self, columns: frozenset[tuple[FieldRole, str]]) -> dict[str, Any]:
        groups: dict[str, Any] = {role.value: {} for role in TYPES}
        for role, path in sorted(columns):
            groups[role.value][field_name(path)] = _exact(role)
        return {
            "first": {
                "dynamic": "strict",
                "properties": {name: {"properties": one} for name, one in groups.items()},
            }
        }

    def _analysis(self) -> dict[str, Any]:
        stemmer = LANGUAGES[self._language]
        lower = {"type": "lowercase"}
        letters = ["sigma", "dotted"]
        if self._language in ("el", "tr"):
            lower["language"] = stemmer.lower()
        if self._language == "tr":
            letters.remove("dotted")  # its own lower case knows the letter
        filters: dict[str, Any] = {"lower": lower}
        if stemmer:
            filters["stems"] = {"type": "snowball", "language": stemmer}
        cut = {"type": "custom", "tokenizer": "words"}
        return {
            "char_filter": {
                name: {"type": "mapping", "mappings": [one]} for name, one in _LETTERS.items()
            },
            "tokenizer": {"words": dict(self._tokenizer)},
            "filter": filters,
            "analyzer": {
                "words": {
                    **cut,
                    "char_filter": letters,
                    "filter": ["lower", "stems"] if stemmer else ["lower"],
                },
                "plain": {**cut, "char_filter": list(_LETTERS), "filter": ["lowercase"]},
            },
        }


def text_field(path: str | None) -> str:
    """Where the words of a text field are, or of all."""
    return ALL if path is None else f"text.{field_name(path)}"


def starts_field(path: str | None) -> str:
    """Where they are as they were written."""
    return f"{text_field(path)}.plain"


def values_field(role: FieldRole, path: str) -> str:
    return f"{role.value}.{field_name(path)}"


def first_field(role: FieldRole, path: str) -> str:
    return f"first.{role.value}.{field_name(path)}"


@lru_cache(maxsize=8192)
def field_name(path: str) -> str:
    """A path as one name: `a` and `a.b` may both hold values, which OpenSearch would not have.

    It can be read where it is plain; otherwise it is a digest, which begins as no such path does.
    """
    if _PLAIN_PATH.match(path):
        return path.replace(".", "-")
    return "_" + hashlib.blake2b(path.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _exact(role: FieldRole) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": TYPES[role]}
    if role is FieldRole.KEYWORD:
        kind["ignore_above"] = _KEYWORD_CODE_POINTS
    return kind


_LETTERS: Final = {"sigma": "\u03c2 => \u03c3", "dotted": "\u0130 => i\u0307"}
"""Lower case goes letter by letter here. So no capital becomes the small sigma that ends words,
and the I with a dot becomes one without: everywhere else there is one sigma, and the dot stays."""
TYPES: Final[Mapping[FieldRole, str]] = {
    FieldRole.KEYWORD: "keyword",
    FieldRole.NUMBER: "double",
    FieldRole.DATE: "long",
}
"""Of the roles that can be sorted by."""
_KEYWORD_CODE_POINTS: Final = 8191
"""Lucene's terms end at 32,766 bytes."""
_PLAIN_PATH: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}\Z", re.ASCII)
_TEXT: Final = {
    "type": "text",
    "analyzer": "words",
    "fields": {"plain": {"type": "text", "analyzer": "plain"}},
}
_TEMPLATES: Final = [
    {"text": {"path_match": "text.*", "mapping": {**_TEXT, "copy_to": [ALL]}}},
    *(
        {role.value: {"path_match": f"{role.value}.*", "mapping": _exact(role)}}
        for role in (FieldRole.KEYWORD, FieldRole.NUMBER, FieldRole.DATE)
    ),
    {"geo": {"path_match": "geo.*", "mapping": {"type": "geo_point"}}},
]
