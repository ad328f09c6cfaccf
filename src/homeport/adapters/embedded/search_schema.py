"""How documents lie in a tantivy index.

A tantivy schema is fixed once its index is made, and what its JSON fields cannot do (sort,
ranges) has fields of its own where the catalog declares it:

    key           "k", then space,collection,id: the comma sorts below all characters of names
    version       of the record
    expires       when a removal's marker may go, in microseconds since 1970
    scope         *  space  space,collection  ,collection; none of them on a removal's marker
    text, plain   the words of all text fields, stemmed and as written (for prefixes)
    text_at, plain_at, keyword, number    JSON by field
    partitioned   the words of text, each behind the space,collection that it stands in; once
                  more with the field behind it where it weighs more
    terms         numbers and dates as text that sorts as they do, for terms and ranges
    shown         the values of declared text fields, for highlights
    points        the points of geo fields that have several
    all_*, first_*, boosted_*             one for each declared field: its values, the one
                  that it sorts by, its words where they weigh more
    cells_*, latitude_*, longitude_*, spot_*    for each declared geo field: the cells that its
                  points are in, the first one's degrees, a number for all its points

Fields of the user's stand here under digests of their paths, so whatever a path is made of, it
is a plain name to tantivy. Text in JSON fields has a blank before it, see `in_json`; words have one
small sigma, and keep their marks, see `as_indexed`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import tantivy

from homeport.adapters.embedded.search_cells import cells_of
from homeport.adapters.embedded.search_words import BLANKS, analyzer, as_indexed
from homeport.domain.errors import Invalid
from homeport.domain.model.collection import Catalog, FieldRole
from homeport.domain.model.document import Document, Removal
from homeport.domain.model.query import Scope
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Capability

FORMAT: Final = 9
"""Raise it with every change to what is written, or to a fault in how: older indexes are then
rebuilt."""

LANGUAGES: Final = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "none": "",
}
"""What `language` can be; `none` leaves words as they are."""

LIVE: Final = "*"
"""The scope of every document that is no removal's marker."""


class SearchSchema:
    """The schema for what a catalog declares, in one language, and how documents go into it."""

    def __init__(self, catalog: Catalog, language: str) -> None:
        if language not in LANGUAGES:
            raise Invalid(f"The search language is one of {', '.join(LANGUAGES)}.")
        declared = sorted(
            {
                (one.role, path, one.boost)
                for collection in catalog.known()
                for path, one in collection.fields.items()
            }
        )
        self.stems = LANGUAGES[language]
        self.columns = frozenset((role, path) for role, path, _ in declared if role in _COLUMNS)
        self.places = frozenset(path for role, path, _ in declared if role is FieldRole.GEO)
        self.shown = frozenset(path for role, path, _ in declared if role is FieldRole.TEXT)
        self.boosts = {
            path: boost for role, path, boost in declared if role is FieldRole.TEXT and boost > 1
        }
        self.digest = hashlib.blake2b(
            json.dumps([FORMAT, language, declared]).encode(), digest_size=16
        ).hexdigest()
        self.words = analyzer(self.stems)
        self.plain_words = analyzer("")
        self.fields = self._build()

    @property
    def capabilities(self) -> frozenset[Capability]:
        able = {Capability.GEO, Capability.FUZZY}
        return frozenset(able | {Capability.STEMMING} if self.stems else able)

    def register(self, index: tantivy.Index) -> None:
        """Tell an index, new or opened, how to cut text into words."""
        index.register_tokenizer("words", self.words)
        index.register_tokenizer("plain", self.plain_words)
        index.register_tokenizer("blanks", BLANKS)

    def document(self, document: Document) -> tantivy.Document:
        """Made from Python's values: of numbers in JSON, tantivy reads one in ten a last digit
        off. Raises ValueError for what it does not take."""
        written = {path: list(map(as_indexed, some)) for path, some in document.text.items()}
        texts = list(chain.from_iterable(written.values()))
        texts_at = {field_name(path): list(map(in_json, some)) for path, some in written.items()}
        fields: dict[str, Any] = {
            "key": key_text(document.key),
            "version": document.version,
            "scope": scope_terms(document.key),
            "text": texts,
            "text_at": texts_at,
            "plain": texts,
            "plain_at": texts_at,
        }
        keyword, number, terms = {}, {}, []
        for path, strings in document.keyword.items():
            if not self._add_columns(fields, FieldRole.KEYWORD, path, strings):
                keyword[field_name(path)] = list(map(in_json, dict.fromkeys(strings)))
        for path, numbers in document.number.items():
            if not self._add_columns(fields, FieldRole.NUMBER, path, numbers):
                number[field_name(path)] = [one + 0.0 for one in dict.fromkeys(numbers)]
                terms += [ordered_term(FieldRole.NUMBER, path, one) for one in numbers]
        for path, dates in document.date.items():
            if not self._add_columns(fields, FieldRole.DATE, path, dates):
                terms += [ordered_term(FieldRole.DATE, path, one) for one in dates]
        fields |= {"keyword": keyword, "number": number, "terms": terms}
        shown = {path: document.text[path] for path in self.shown if path in document.text}
        if shown:
            fields["shown"] = json.dumps(shown)
        self._add_places(fields, document.geo)
        fields["partitioned"] = self._partitioned(document.key, written)
        for path in self.boosts.keys() & written.keys():
            fields[boosted(path)] = written[path]
        return tantivy.Document.from_dict(fields, self.fields)

    def marker(self, removal: Removal, expires: int) -> tantivy.Document:
        """What stays of a removed document until then, so that no older one comes back."""
        fields = {"key": key_text(removal.key), "version": removal.version, "expires": expires}
        return tantivy.Document.from_dict(fields, self.fields)

    def _add_columns(
        self, fields: dict[str, Any], role: FieldRole, path: str, values: Sequence[Any]
    ) -> bool:
        if (role, path) not in self.columns:
            return False
        if role is FieldRole.NUMBER:
            values = [one + 0.0 for one in values]
        if values:
            fields[all_values(role, path)] = list(dict.fromkeys(values))
            first = values[0]
            fields[first_value(role, path)] = sortable(first) if isinstance(first, str) else first
        return True

    def _partitioned(self, key: Key, written: Mapping[str, Sequence[str]]) -> str:
        partition = scope_term(Scope(key.space, key.collection))
        terms = []
        for path, texts in written.items():
            words = [word for text in texts for word in self.words.analyze(text)]
            terms += [partitioned_term(partition, word) for word in words]
            if path in self.boosts:
                terms += [partitioned_term(partition, word, path) for word in words]
        return " ".join(terms)

    def _add_places(
        self, fields: dict[str, Any], geo: Mapping[str, Sequence[tuple[float, float]]]
    ) -> None:
        several = {}
        for path in self.places:
            points = list(dict.fromkeys(geo.get(path, ())))
            if points:
                names = place_fields(path)
                cells = dict.fromkeys(cell for point in points for cell in cells_of(point))
                fields[names.cells] = list(cells)
                fields[names.latitude], fields[names.longitude] = points[0]
                fields[names.spot] = _spot(points)
            if len(points) > 1:
                several[path] = points
        if several:
            fields["points"] = json.dumps(several)

    def _build(self) -> tantivy.Schema:
        builder = tantivy.SchemaBuilder()

        def raw(name: str, *, stored: bool = False, fast: bool = False) -> None:
            builder.add_text_field(
                name, stored=stored, fast=fast, tokenizer_name="raw", index_option="basic"
            )

        def words(name: str) -> None:
            builder.add_text_field(name, tokenizer_name="words", index_option="position")

        raw("key", stored=True, fast=True)
        builder.add_integer_field("version", stored=True, fast=True)
        builder.add_integer_field("expires", indexed=True, fast=True)
        raw("scope")
        raw("terms")
        words("text")
        builder.add_text_field("partitioned", tokenizer_name="blanks", index_option="freq")
        builder.add_text_field("plain", tokenizer_name="plain", index_option="basic")
        builder.add_json_field("text_at", tokenizer_name="words", index_option="position")
        builder.add_json_field("plain_at", tokenizer_name="plain", index_option="basic")
        builder.add_json_field("keyword", fast=True, tokenizer_name="raw", index_option="basic")
        builder.add_json_field("number", fast=True, tokenizer_name="raw", index_option="basic")
        raw("shown", stored=True)
        raw("points", stored=True)
        for path in sorted(self.boosts):
            words(boosted(path))
        for role, path in sorted(self.columns):
            for name in (all_values(role, path), first_value(role, path)):
                if role is FieldRole.KEYWORD:
                    raw(name, fast=True)
                elif role is FieldRole.NUMBER:
                    builder.add_float_field(name, fast=True)
                else:
                    builder.add_integer_field(name, fast=True)
        for path in sorted(self.places):
            names = place_fields(path)
            raw(names.cells)
            builder.add_float_field(names.latitude, fast=True)
            builder.add_float_field(names.longitude, fast=True)
            builder.add_integer_field(names.spot, fast=True, indexed=True)
        return builder.build()


class PlaceFields(NamedTuple):
    """What the columns of a geo field are called."""

    cells: str
    latitude: str
    longitude: str
    spot: str


def key_text(key: Key) -> str:
    # The letter is for spaces such as -5: tantivy takes no range from what begins so.
    return "k" + ",".join(key)


def key_of(text: str) -> Key:
    return Key(*text[1:].split(","))


def scope_terms(key: Key) -> list[str]:
    space, collection, _ = key
    return [LIVE, space, f"{space},{collection}", f",{collection}"]


def scope_term(scope: Scope) -> str:
    """The term of everything that a scope covers, but for `besides`."""
    if scope.collection is None:
        return LIVE if scope.space is None else scope.space
    return f"{scope.space or ''},{scope.collection}"


@lru_cache(maxsize=4096)
def field_name(path: str) -> str:
    """A path within the user's data as a name that means nothing to tantivy."""
    return "f" + hashlib.blake2b(path.encode(), digest_size=8).hexdigest()


def in_json(text: str) -> str:
    """Text as JSON fields hold it, which sorts as before. Without the blank tantivy takes what
    looks like RFC 3339 for a date: another text is kept then, and some dates make it panic."""
    return " " + text


def from_json(text: str) -> str:
    return text[1:]


def all_values(role: FieldRole, path: str) -> str:
    return f"all_{role}_{field_name(path)}"


def first_value(role: FieldRole, path: str) -> str:
    return f"first_{role}_{field_name(path)}"


def place_fields(path: str) -> PlaceFields:
    return PlaceFields(*(f"{column}_{field_name(path)}" for column in PlaceFields._fields))


def has_several(spot: int) -> bool:
    """Whether what is at a spot has several points."""
    return bool(spot & 1)


def boosted(path: str) -> str:
    return f"boosted_{field_name(path)}"


def partitioned_term(partition: str, word: str, heavy: str | None = None) -> str:
    """A word in any text of a partition, or in that of a field that weighs more: next to it, so
    that who looks for the one has read the other."""
    term = f"{partition},{word}"
    return term if heavy is None else f"{term}^{field_name(heavy)}"


def ordered_term(role: FieldRole, path: str, value: float) -> str:
    """A number or date as text that sorts, among those of its field, as its value does."""
    if role is FieldRole.DATE:
        bits = int(value) + _SIGN
    else:
        bits = _as_bits(float(value) + 0.0)
        bits = bits ^ _ALL if bits & _SIGN else bits | _SIGN
    return f"{role.value[0]}{field_name(path)}{bits:016x}"


def _as_bits(number: float) -> int:
    bits: int = struct.unpack(">Q", struct.pack(">d", number))[0]
    return bits


def sortable(text: str) -> str:
    """Text in an alphabet that tantivy's range syntax leaves alone, in the same order."""
    return "x" + text.encode().hex()


def from_sortable(text: str) -> str:
    return bytes.fromhex(text[1:]).decode()


def _spot(points: Sequence[tuple[float, float]]) -> int:
    """The same number for the same points. The last bit says whether there are several."""
    content = b"".join(struct.pack(">dd", *point) for point in points)
    digest = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
    return digest >> 1 & ~1 | (len(points) > 1)


_COLUMNS: Final = frozenset({FieldRole.KEYWORD, FieldRole.NUMBER, FieldRole.DATE})
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1
