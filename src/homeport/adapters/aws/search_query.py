"""From the domain's query tree to CloudSearch's structured syntax.

The only text of a user's in it stands in single quotes, with quotes and backslashes escaped, and
words are cut by us before: nothing of theirs is syntax. Names of fields are made by
`search_fields`, keys are checked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.search_documents import key_text
from homeport.adapters.aws.search_expressions import any_of, every, quoted
from homeport.domain.errors import Invalid
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog, FieldRole
from homeport.domain.model.query import (
    After,
    All,
    AnyOf,
    Filter,
    Fuzzy,
    Near,
    Node,
    Not,
    Nothing,
    Phrase,
    Prefix,
    Range,
    Scope,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.model.record import Key
from homeport.domain.words import cut_words

Leaf: TypeAlias = "Words | Phrase | Prefix"

EVERYTHING: Final = "matchall"
NOTHING: Final = f"{fields.KEY}:'none'"
"""A key has commas in it."""
LIVE: Final = f"{fields.LIVE}:'1'"
"""Every document that is no marker."""


class QueryTranslator:
    """For what a catalog declares: `boosts` weigh text fields."""

    def __init__(self, catalog: Catalog) -> None:
        self._boosts: Mapping[str, float] = {
            path: one.boost
            for collection in catalog.known()
            for path, one in collection.fields.items()
            if one.role is FieldRole.TEXT and one.boost > 1
        }
        self.default_fields: Final = [
            fields.WORDS,
            *(f"{fields.text_field(path)}^{boost:f}" for path, boost in self._boosts.items()),
        ]
        """`fields` of `q.options`: where words are looked for that name no field."""

    def match(self, node: Node) -> str:
        """What makes the score."""
        match node:
            case Words() | Phrase() | Prefix():
                return self._leaf(node)
            case Fuzzy():
                raise Invalid(_NO_FUZZY)
            case Nothing():
                return NOTHING
            case Not(inner):
                return without(self.match(inner))
            case All(nodes):
                return self._all(nodes)

    def within(self, query: SearchQuery) -> str:
        """The filter: the scopes, of which there is at least one, and all that must hold."""
        return every([LIVE, covered(query.scopes), *map(self._filter, query.filters)])

    def _all(self, nodes: Sequence[Node]) -> str:
        parts = [
            f"(not {self.match(one.node)})" if isinstance(one, Not) else self.match(one)
            for one in nodes
        ]
        if all(isinstance(one, Not) for one in nodes):
            parts.insert(0, EVERYTHING)
        return every(parts)

    def _leaf(self, node: Leaf) -> str:
        if isinstance(node, Prefix):
            return _prefix(node)
        text = text_of(node)
        if not text:
            return NOTHING
        if node.field is None:
            return f"(phrase {quoted(text)})"
        boost = self._boosts.get(node.field)
        weight = "" if boost is None else f" boost={boost:f}"
        return f"(phrase field={fields.text_field(node.field)}{weight} {quoted(text)})"

    def _filter(self, one: Filter) -> str:
        match one:
            case AnyOf(filters):
                return any_of(map(self._filter, filters))
            case Words(_, path):
                text = text_of(one)
                name = fields.WORDS if path is None else fields.text_field(path)
                return f"(phrase field={name} {quoted(text)})" if text else NOTHING
            case Fuzzy():
                raise Invalid(_NO_FUZZY)
            case Near():
                # Rectangles could be asked for, but neither circles nor more than one point.
                raise Invalid("This search index knows no distances.")
            case Range():
                return _range(fields.values_field(one.role, one.field), one)
            case Term(role, path, value):
                name = fields.values_field(role, path)
                if isinstance(value, str):
                    return f"{name}:{quoted(fields.exact(value))}"
                return _range(name, Range(role, path, value, value))


def leaves(node: Node) -> Iterator[Leaf]:
    """What must match in text, apart from what excludes."""
    if isinstance(node, All):
        for one in node.nodes:
            yield from leaves(one)
    elif isinstance(node, Words | Phrase | Prefix):
        yield node


def text_of(node: Words | Phrase) -> str:
    """The words that have to stand side by side, "" where there is none."""
    text = node.text if isinstance(node, Words) else " ".join(node.words)
    return " ".join(cut_words(text))


def start_of(node: Prefix) -> str:
    """How words have to begin, "" where that is not the beginning of one word."""
    words = cut_words(node.text)
    return words[0].lower() if len(words) == 1 else ""


def covered(scopes: Iterable[Scope]) -> str:
    """What any of the scopes covers. Spaces in which the same is readable stand together: a
    query has at most 1,024 clauses, and somebody may be in 200 spaces."""
    views: dict[str | None, list[str]] = {}
    for one in scopes:
        views.setdefault(one.space, []).append(_view(one))
    alike: dict[str, list[str | None]] = {}
    for space, found in views.items():
        view = EVERYTHING if EVERYTHING in found else any_of(found)
        alike.setdefault(view, []).append(space)
    return any_of(_seen(spaces, view) for view, spaces in alike.items())


def _seen(spaces: Sequence[str | None], view: str) -> str:
    """What of these spaces is in view; None among them is every space."""
    if None in spaces:
        return view
    inside = any_of(f"{fields.SPACE}:{_name(one)}" for one in spaces if one is not None)
    return inside if view == EVERYTHING else every([inside, view])


def _view(one: Scope) -> str:
    """What a scope covers of its space."""
    parts = [EVERYTHING]
    if one.collection is not None:
        parts = [f"{fields.COLLECTION}:{_name(one.collection)}"]
    if one.besides:
        left_out = any_of(f"{fields.COLLECTION}:{_name(each)}" for each in sorted(one.besides))
        parts.append(f"(not {left_out})")
    return every(parts)


def beyond(sort: Sort, after: After) -> str:
    """What comes after a place in the order of `sort`; what has no value comes last."""
    name = fields.first_field(sort.role, sort.field)
    absent = without(_present(sort))
    if after.value is None:
        return every([absent, keys_beyond(after.key)])
    place = fields.sortable(after.value) if isinstance(after.value, str) else after.value
    value = quoted(place) if isinstance(place, str) else _number(sort.role, place)
    ahead = f"{name}:{{,{value}}}" if sort.descending else f"{name}:{{{value},}}"
    tied = every([f"{name}:{value}", keys_beyond(after.key)])
    return any_of([ahead, tied, absent])


def keys_beyond(key: Key) -> str:
    names.check_id("space", key.space)
    names.check_collection(key.collection)
    names.check_id("id", key.id)
    return f"{fields.KEY}:{{{quoted(key_text(key))},}}"


def has_keys(keys: Iterable[Key]) -> str:
    return any_of(f"{fields.KEY}:{quoted(key_text(key))}" for key in keys)


def without(what: str) -> str:
    """Everything else. What only excludes stands beside something that it excludes from: by
    itself, and among alternatives, engines on Lucene may take it for nothing."""
    return f"(and {EVERYTHING} (not {what}))"


def _name(name: str) -> str:
    """A space or collection; what can be none, such as half a surrogate pair, is written too."""
    return quoted(fields.exact(name))


def _prefix(node: Prefix) -> str:
    start = start_of(node)
    if not start:
        return NOTHING
    name = fields.STARTS if node.field is None else fields.starts_field(node.field)
    if any(_FIRST_IDEOGRAPH <= char <= _LAST_IDEOGRAPH for char in start):
        # Without spaces between words, the index has each character by itself.
        return f"(phrase field={name} {quoted(start)})"
    # A prefix is held against the words of the index as it is, and those have lost accents.
    starts = dict.fromkeys((start, _without_accents(start)))
    return any_of(f"(prefix field={name} {quoted(one)})" for one in starts)


def _without_accents(text: str) -> str:
    """Without those of Latin letters; other scripts' marks make other words."""
    kept: list[str] = []
    for char in unicodedata.normalize("NFD", text):
        if not (unicodedata.combining(char) and kept and kept[-1].isascii()):
            kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def bucket(bounds: Range) -> str | None:
    """A range as facets take it; None where no value can be in it."""
    found = _range("", bounds)
    return None if found == NOTHING else found.removeprefix(":")


def _range(name: str, bounds: Range) -> str:
    low, high = bounds.low, bounds.high
    if low is not None and low < _LEAST[bounds.role]:
        low = None
    if high is not None and high > -_LEAST[bounds.role]:
        high = None
    if low is None and high is None:
        low = _LEAST[bounds.role]
        bounds = Range(bounds.role, bounds.field, low)
    if any(one is not None and not _fits(bounds.role, one) for one in (low, high)):
        return NOTHING
    before = "[" if low is not None and bounds.include_low else "{"
    behind = "]" if high is not None and bounds.include_high else "}"
    first = "" if low is None else _number(bounds.role, low)
    last = "" if high is None else _number(bounds.role, high)
    return f"{name}:{before}{first},{last}{behind}"


def _present(sort: Sort) -> str:
    name = fields.first_field(sort.role, sort.field)
    if sort.role is FieldRole.KEYWORD:
        return f"(prefix field={name} {quoted(fields.sortable(''))})"
    return _range(name, Range(sort.role, sort.field))


def _fits(role: FieldRole, value: float) -> bool:
    """Whether the field can hold it at all: no NaN is less than anything."""
    return abs(value) <= -_LEAST[role]


def _number(role: FieldRole, value: float) -> str:
    if role is FieldRole.DATE:
        return str(int(value))
    return repr(float(value) + 0.0).replace("e+", "e")


_NO_FUZZY: Final = "This search index finds no words that are nearly so."
_LEAST: Final[Mapping[FieldRole, float]] = {
    FieldRole.NUMBER: -1.7976931348623157e308,
    FieldRole.DATE: -(2**63 - 1),
}
"""The ends of what the fields hold, which are as far on both sides."""
_FIRST_IDEOGRAPH: Final = "\u3040"
_LAST_IDEOGRAPH: Final = "\u9fff"
