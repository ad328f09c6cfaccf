"""The search request: its parameters, and the reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from homeport.testing.cloudsearch import (
    expressions,
    facets,
    highlights,
    ordering,
    simple,
    structured,
)
from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import NotEmulated, SearchRefused
from homeport.testing.cloudsearch.matching import Binder, Defaults
from homeport.testing.cloudsearch.ordering import Hit, Order
from homeport.testing.cloudsearch.query import Query
from homeport.testing.cloudsearch.schema import Schema

MAX_HITS: Final = 10_000
"""How far `start` and `size` reach, and the most hits of one reply."""

_QUERY: Final = ("q", "q.parser", "q.options", "fq")
_PLAIN: Final = frozenset(
    (*_QUERY, "return", "size", "start", "cursor", "sort", "partial", "format", "pretty")
)
_BY_FIELD: Final = ("facet", "highlight", "expr", "stats")
"""Parameters that are one JSON object, or one parameter for each field: `facet.year`."""

_OPTIONS: Final = {
    "simple": {"defaultOperator", "fields", "operators"},
    "structured": {"defaultOperator", "fields"},
}


@dataclass(frozen=True, slots=True)
class _Page:
    start: int
    size: int
    cursor: str | None


def search(
    given: Mapping[str, str], schema: Schema, documents: Sequence[Document], now: float
) -> dict[str, object]:
    """Answer a request, all but its `status`. `SearchRefused` says what is wrong with it."""
    _check_names(given)
    sdk = _format(given)
    page = _page(given)
    defaults, disabled = _query_options(given, schema)
    query = _query(given, defaults, disabled)
    binder = Binder(schema, documents, defaults)
    filtered = _filter(given, schema, documents)
    matcher = query and binder.bind(query)
    made = expressions.read_all(_by_field(given, "expr"), schema, now)
    order = ordering.read(given.get("sort", "_score desc"), schema, made)
    render = _returned(given, schema, made, sdk=sdk)
    marks = {
        name: highlights.read(name, options, schema, query)
        for name, options in _by_field(given, "highlight").items()
    }
    counted = {
        name: facets.read(name, options, schema)
        for name, options in _by_field(given, "facet").items()
    }
    measured = {
        name: facets.statistics(name, options, schema)
        for name, options in _by_field(given, "stats").items()
    }

    hits: list[Hit] = []
    for document in documents:
        score = matcher(document) if matcher else None
        if score is not None and filtered(document):
            hits.append(Hit(document, score))
    found = [hit.document for hit in hits]

    answer: dict[str, object] = {"hits": _hits(given, hits, order, page, render, marks)}
    if counted:
        answer["facets"] = {name: count(found) for name, count in counted.items()}
    if measured:
        answer["stats"] = {name: measure(found) for name, measure in measured.items()}
    return answer


def _hits(
    given: Mapping[str, str],
    hits: Sequence[Hit],
    order: Order,
    page: _Page,
    render: Callable[[Hit], dict[str, object]],
    marks: Mapping[str, highlights.Highlight],
) -> dict[str, object]:
    answer: dict[str, object] = {"found": len(hits)}
    if page.cursor is None:
        answer["start"] = page.start
        shown = order.sorted(hits)[page.start : page.start + page.size]
    else:
        identity = json.dumps([given.get(name) for name in (*_QUERY, "sort", "expr")])
        passed, place = ordering.resume(page.cursor, identity)
        behind = order.sorted(hits) if place is None else order.after(hits, place)
        shown = behind[: page.size]
        answer["start"] = passed
        place = order.place(shown[-1]) if shown else place
        answer["cursor"] = ordering.cursor(identity, passed + len(shown), place)
    answer["hit"] = [render(hit) | _highlighted(hit, marks) for hit in shown]
    return answer


def _highlighted(hit: Hit, marks: Mapping[str, highlights.Highlight]) -> dict[str, object]:
    found = {name: text for name, mark in marks.items() if (text := mark(hit.document)) is not None}
    return {"highlights": found} if marks else {}


def _check_names(given: Mapping[str, str]) -> None:
    for name in given:
        family, _, field = name.partition(".")
        if name not in _PLAIN and family not in _BY_FIELD:
            raise SearchRefused(f"There is no parameter {name}")
        if family in _BY_FIELD and field and family in given:
            raise SearchRefused(f"{family} and {name} exclude each other")


def _format(given: Mapping[str, str]) -> bool:
    """Whether the reply is for an SDK: fields as arrays, `timems` for `time-ms`."""
    form = given.get("format", "json")
    if form == "xml":
        raise NotEmulated("replies in XML")
    if form not in {"json", "sdk"}:
        raise SearchRefused("format is json or xml")
    for name in ("pretty", "partial"):
        if given.get(name, "true") not in {"true", "false"}:
            raise SearchRefused(f"{name} is true or false")
    return form == "sdk"


def _page(given: Mapping[str, str]) -> _Page:
    start, size = _number(given, "start", 0), _number(given, "size", 10)
    cursor = given.get("cursor")
    if cursor is not None and "start" in given:
        raise SearchRefused("cursor and start exclude each other")
    if size > MAX_HITS or start + size > MAX_HITS:
        raise SearchRefused(f"start and size reach the first {MAX_HITS} hits: use a cursor")
    return _Page(start, size, cursor)


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise SearchRefused(f"{name} is a number from 0, not {text!r}")
    return int(text)


def _object(text: str, what: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SearchRefused(f"{what} is no JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise SearchRefused(f"{what} is a JSON object")
    return found


def _by_field(given: Mapping[str, str], family: str) -> dict[str, object]:
    """The options for each field, in whichever of the two forms they were sent."""
    if family in given:
        return _object(given[family], family)
    prefix = f"{family}."
    sent = {
        name.removeprefix(prefix): text for name, text in given.items() if name.startswith(prefix)
    }
    if family == "expr":
        return dict(sent)
    return {name: _object(text, prefix + name) for name, text in sent.items()}


def _query_options(given: Mapping[str, str], schema: Schema) -> tuple[Defaults, frozenset[str]]:
    parser = given.get("q.parser", "simple")
    if parser in {"lucene", "dismax"}:
        raise NotEmulated(f"the query parser {parser}")
    if parser not in _OPTIONS:
        raise SearchRefused(f"There is no query parser {parser}")
    options = _object(given.get("q.options", "{}"), "q.options")
    unknown = options.keys() - _OPTIONS[parser]
    if unknown:
        raise SearchRefused(f"q.options: {parser} has no option {min(unknown)}")
    operator = options.get("defaultOperator", "and")
    if operator not in {"and", "or"}:
        raise SearchRefused("q.options: defaultOperator is and or or")
    disabled = options.get("operators", [])
    if not isinstance(disabled, list) or not simple.OPERATORS.issuperset(disabled):
        raise SearchRefused("q.options: operators are " + ", ".join(sorted(simple.OPERATORS)))
    fields = dict.fromkeys(schema.searched_by_default(), 1.0)
    if "fields" in options:
        fields = _weights(options["fields"], schema)
    return Defaults(fields, str(operator)), frozenset(disabled)


def _weights(fields: object, schema: Schema) -> dict[str, float]:
    if not isinstance(fields, list) or not fields:
        raise SearchRefused("q.options: fields is an array of names")
    binder = Binder(schema, (), Defaults({}))
    weights: dict[str, float] = {}
    for one in fields:
        name, caret, weight = str(one).partition("^")
        binder.searchable(name)
        if caret and not re.fullmatch(r"[0-9]*\.?[0-9]+", weight):
            raise SearchRefused(f"q.options: {one!r} has no weight")
        weights[name] = float(weight) if caret else 1.0
        if not weights[name]:
            raise SearchRefused("q.options: a weight is greater than zero")
    return weights


def _query(given: Mapping[str, str], defaults: Defaults, disabled: frozenset[str]) -> Query | None:
    text = given.get("q", "")
    if not text:
        raise SearchRefused("q is missing")
    if given.get("q.parser", "simple") == "structured":
        return structured.parse(text)
    return simple.parse(text, defaults.operator, disabled)


def _filter(
    given: Mapping[str, str], schema: Schema, documents: Sequence[Document]
) -> Callable[[Document], bool]:
    """What `fq` lets through. Always in structured syntax, and without `q.options`."""
    if "fq" not in given:
        return lambda _: True
    defaults = Defaults(dict.fromkeys(schema.searched_by_default(), 1.0))
    matcher = Binder(schema, documents, defaults).bind(structured.parse(given["fq"]))
    return lambda document: matcher is not None and matcher(document) is not None


def _returned(
    given: Mapping[str, str],
    schema: Schema,
    made: Mapping[str, expressions.Expression],
    *,
    sdk: bool,
) -> Callable[[Hit], dict[str, object]]:
    """How a hit is rendered, but for its highlights."""
    names = [name.strip() for name in given.get("return", "_all_fields").split(",")]
    if "_no_fields" in names and len(names) > 1:
        raise SearchRefused("return: _no_fields stands alone")
    for name in names:
        field = schema.resolve(name)
        if name in {"_all_fields", "_no_fields", "_score"} or name in made:
            continue
        if field is None or name.startswith("_"):
            raise SearchRefused(f"return: ({name}) does not exist.")
        if not field.returned:
            raise SearchRefused(f"Field ({name}) is not return enabled.")

    def wanted(name: str) -> bool:
        field = schema.resolve(name)
        return field is not None and field.returned and ("_all_fields" in names or name in names)

    def render(hit: Hit) -> dict[str, object]:
        document = hit.document
        fields: dict[str, object] = {}
        for name in filter(wanted, document.values):
            values = document.rendered(name)
            field = schema.resolve(name)
            one = not sdk and field is not None and not field.array
            fields[name] = values[0] if one else values
        if "_score" in names:
            fields["_score"] = [repr(hit.score)] if sdk else repr(hit.score)
        exprs = {name: str(made[name].of(document, hit.score)) for name in names if name in made}
        answer: dict[str, object] = {"id": document.id}
        if names != ["_no_fields"]:
            answer["fields"] = fields
        return answer | ({"exprs": exprs} if exprs else {})

    return render
