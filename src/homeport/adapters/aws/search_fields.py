"""The index fields that a CloudSearch domain needs, and the names and forms of what is in them.

A domain's fields are configured ahead of its documents, and take a while to change; so they are
the same for every catalog. What users call their fields shows in the names of dynamic ones:

    key                    space,collection,id: the comma sorts below every character of a name
    space, collection      for scopes
    version                of the record, in 19 digits
    live                   1 in every document that is no marker of a removal
    words, starts          the words of all text fields: stemmed, and as written (for prefixes)
    t_*, p_*               the words of one text field, in the same two ways
    k_*, n_*, d_*          all values of a keyword, number or date field
    fk_*, fn_*, fd_*       the first of them, where the field is declared: arrays do not sort

Dates are microseconds in an `int`: CloudSearch's own type ends at milliseconds. All names with
a star are dynamic fields. `index_fields` is what a deployment configures and a check compares.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from homeport.domain.model.collection import FieldRole

KEY: Final = "key"
SPACE: Final = "space"
COLLECTION: Final = "collection"
VERSION: Final = "version"
LIVE: Final = "live"
WORDS: Final = "words"
STARTS: Final = "starts"

PLAIN_SCHEME: Final = "_mul_default_"
"""Built in: words as they are written, in lower case."""
# fmt: off
_STEMMING: Final = frozenset({
    "ar", "da", "de", "el", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pt", "ro", "ru", "sv",
    "tr",
})
# fmt: on
"""Of the languages that there are settings for, those that CloudSearch stems."""


@dataclass(frozen=True, slots=True)
class IndexField:
    """One index field as CloudSearch's configuration service knows it: an option that is not
    set is switched off. `scheme` is the analysis scheme of a text field."""

    name: str
    type: str
    search: bool = True
    returned: bool = False
    facet: bool = False
    sort: bool = False
    highlight: bool = False
    scheme: str | None = None

    def definition(self) -> dict[str, Any]:
        """The parameter `IndexField` of `DefineIndexField`."""
        array = self.type.endswith("-array")
        options: dict[str, Any] = {"ReturnEnabled": self.returned}
        if self.scheme is None:
            options |= {"FacetEnabled": self.facet, "SearchEnabled": self.search}
        else:
            options |= {"HighlightEnabled": self.highlight, "AnalysisScheme": self.scheme}
        if not array:
            options["SortEnabled"] = self.sort
        group = "".join(part.title() for part in self.type.split("-"))
        return {
            "IndexFieldName": self.name,
            "IndexFieldType": self.type,
            f"{group}Options": options,
        }


def stems(language: str) -> bool:
    """Whether CloudSearch stems the words of a language; for `none`, and for one that it does
    not know, they stay as they are."""
    return language in _STEMMING


def scheme_name(language: str) -> str:
    return f"words_{language}" if stems(language) else PLAIN_SCHEME


def analysis_schemes(language: str = "en") -> tuple[dict[str, Any], ...]:
    """What `DefineAnalysisScheme` is called with, before the fields are defined: the language's
    own stemming, and no stop words, since every other index finds them."""
    if not stems(language):
        return ()
    return (
        {
            "AnalysisSchemeName": scheme_name(language),
            "AnalysisSchemeLanguage": language,
            "AnalysisOptions": {"Stopwords": "[]"},
        },
    )


def index_fields(language: str = "en") -> tuple[IndexField, ...]:
    """Every field that a domain needs, whatever the catalog."""
    words = scheme_name(language)
    return (
        IndexField(KEY, "literal", returned=True, sort=True),
        IndexField(SPACE, "literal"),
        IndexField(COLLECTION, "literal"),
        IndexField(VERSION, "literal", returned=True),
        IndexField(LIVE, "literal"),
        IndexField(WORDS, "text-array", scheme=words),
        IndexField(STARTS, "text-array", scheme=PLAIN_SCHEME),
        IndexField("t_*", "text-array", returned=True, highlight=True, scheme=words),
        IndexField("p_*", "text-array", scheme=PLAIN_SCHEME),
        IndexField("k_*", "literal-array", facet=True),
        IndexField("n_*", "double-array", facet=True),
        IndexField("d_*", "int-array", facet=True),
        IndexField("fk_*", "literal", returned=True, sort=True),
        IndexField("fn_*", "double", returned=True, sort=True),
        IndexField("fd_*", "int", returned=True, sort=True),
    )


def text_field(path: str) -> str:
    return f"t_{_called(path)}"


def starts_field(path: str) -> str:
    return f"p_{_called(path)}"


def values_field(role: FieldRole, path: str) -> str:
    """Where all values of a keyword, number or date field are."""
    return f"{_LETTER[role]}_{_called(path)}"


def first_field(role: FieldRole, path: str) -> str:
    """Where the value is that a declared field is sorted by."""
    return f"f{_LETTER[role]}_{_called(path)}"


@lru_cache(maxsize=4096)
def _called(path: str) -> str:
    """A path as it is, where CloudSearch takes it in a name; otherwise a digest, which begins
    with a sign that no such path begins with."""
    if _PLAIN_PATH.match(path):
        return path
    return "_" + hashlib.blake2b(path.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def exact(text: str) -> str:
    """A keyword as a literal: every value as another one, of characters that XML has.

    What it lacks stands in hexadecimal digits behind an escape, which alone is the empty value.
    """
    if not text:
        return _ESCAPE
    return _NOT_IN_XML.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def from_exact(literal: str) -> str:
    if literal == _ESCAPE:
        return ""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), literal)


def sortable(text: str) -> str:
    """A keyword as a literal that sorts by code points, and means nothing to any syntax."""
    return "x" + text.encode(errors="surrogatepass").hex()


def from_sortable(literal: str) -> str:
    return bytes.fromhex(literal[1:]).decode(errors="surrogatepass")


def readable(text: str) -> str:
    """Text of the same length without the characters that XML lacks; a space stands for each, as
    between words. A sign at which CloudSearch would not end a word, as every other index does,
    has a stand-in; `as_written` puts it back."""
    return _JOINED.sub(lambda found: _STAND_INS[found[0]], _NOT_TEXT.sub(" ", text))


def as_written(text: str) -> str:
    return _STOOD_IN.sub(lambda found: _JOINING[ord(found[0]) - _FIRST_STAND_IN], text)


_LETTER: Final[Mapping[FieldRole, str]] = {
    FieldRole.KEYWORD: "k",
    FieldRole.NUMBER: "n",
    FieldRole.DATE: "d",
}
_PLAIN_PATH: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z", re.ASCII)
_ESCAPE: Final = "\uf8ff"
_ESCAPED: Final = re.compile("\uf8ff([0-9a-f]{4})")
# Also white space but the blank, which a parser of XML may change.
_NOT_IN_XML: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\uf8ff\ufffe\uffff]")
_JOINING: Final = (
    "_.,:;'\"\u2018\u2019"
    "\u00ad\u00b7\u037e\u0387\u055f\u0589\u05f4\u060c\u060d\u066c\u07f8"
    "\u200c\u200d\u200e\u200f\u2024\u2027\u202f\u203f\u2040\u2044\u2054\u2060\u20e3"
    "\ufe0e\ufe0f\ufe10\ufe13\ufe14\ufe33\ufe34\ufe4d\ufe4e\ufe4f\ufe50\ufe52\ufe54\ufe55"
    "\ufeff\uff07\uff0c\uff0e\uff1a\uff1b\uff3f"
)
"""Signs at which words need not end by Unicode's rules (UAX #29), which CloudSearch goes by."""
_FIRST_STAND_IN: Final = 0xF800
"""In private use: of no script, so that words end there."""
_STAND_INS: Final = {sign: chr(_FIRST_STAND_IN + n) for n, sign in enumerate(_JOINING)}
_STOOD_IN: Final = re.compile(f"[\uf800-{chr(_FIRST_STAND_IN + len(_JOINING) - 1)}]")
_JOINED: Final = re.compile(f"_|(?<=\\S)[{re.escape(_JOINING)}](?=\\S)")
_NOT_TEXT: Final = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff{_STOOD_IN.pattern[1:-1]}]"
)
