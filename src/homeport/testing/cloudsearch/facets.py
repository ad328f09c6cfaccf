"""Facets and statistics of the documents that match."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from homeport.testing.cloudsearch.comparing import in_bounds
from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import SearchRefused
from homeport.testing.cloudsearch.schema import Field, Schema
from homeport.testing.cloudsearch.structured import parse_range
from homeport.testing.cloudsearch.values import Value, from_text, to_text

DEFAULT_SIZE: Final = 10

Facet = Callable[[Sequence[Document]], dict[str, object]]


def read(name: str, options: object, schema: Schema) -> Facet:
    """Read the options of one facet: `{}`, `{"sort", "size"}` or `{"buckets", "method"}`."""
    field = _enabled(name, schema)
    if not isinstance(options, dict):
        raise SearchRefused(f"facet of {name}: the options are an object")
    unknown = options.keys() - {"sort", "size", "buckets", "method"}
    if unknown:
        raise SearchRefused(f"facet of {name}: there is no option {min(unknown)}")
    if "buckets" in options:
        return _buckets(name, options, field)
    sort, size = options.get("sort", "count"), options.get("size", DEFAULT_SIZE)
    if sort not in {"count", "bucket"}:
        raise SearchRefused(f"facet of {name}: sort is count or bucket")
    if "method" in options or ("size" in options and "sort" not in options):
        raise SearchRefused(f"facet of {name}: size goes with sort, method with buckets")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise SearchRefused(f"facet of {name}: size is a positive integer")

    def count(documents: Sequence[Document]) -> dict[str, object]:
        counts = Counter(value for one in documents for value in set(one.get(name)))
        by_value = sorted(counts.items(), key=lambda item: item[0])
        if sort == "count":
            by_value.sort(key=lambda item: -item[1])
        return _rendered((to_text(field.base, value), n) for value, n in by_value[:size])

    return count


def _enabled(name: str, schema: Schema) -> Field:
    field = schema.resolve(name)
    if field is None or name.startswith("_"):
        raise SearchRefused(f"Field ({name}) does not exist.")
    if not field.facet:
        raise SearchRefused(f"Field ({name}) of type {field.type} is not facet enabled.")
    return field


def _buckets(name: str, options: Mapping[str, object], field: Field) -> Facet:
    buckets = options["buckets"]
    if "sort" in options or "size" in options:
        raise SearchRefused(f"facet of {name}: buckets have neither sort nor size")
    if options.get("method", "filter") not in {"filter", "interval"}:
        raise SearchRefused(f"facet of {name}: method is filter or interval")
    if not isinstance(buckets, list) or not buckets:
        raise SearchRefused(f"facet of {name}: buckets is an array of values or ranges")
    tests = [(str(bucket), _bucket(name, bucket, field)) for bucket in buckets]

    def count(documents: Sequence[Document]) -> dict[str, object]:
        return _rendered(
            (bucket, sum(any(map(holds, one.get(name))) for one in documents))
            for bucket, holds in tests
        )

    return count


def _bucket(name: str, bucket: object, field: Field) -> Callable[[Value], bool]:
    if not isinstance(bucket, str):
        raise SearchRefused(f"facet of {name}: a bucket is a string")
    if bucket[:1] in {"[", "{"} and bucket[-1:] in {"]", "}"} and field.base != "latlon":
        return in_bounds(parse_range(bucket, f"facet of {name}"), name, field)
    try:
        wanted = from_text(field.base, bucket)
    except ValueError as exc:
        raise SearchRefused(f"facet of {name}: {exc}") from exc
    return lambda value: value == wanted


def _rendered(counts: Iterable[tuple[str, int]]) -> dict[str, object]:
    return {"buckets": [{"value": value, "count": n} for value, n in counts]}


def statistics(name: str, options: object, schema: Schema) -> Facet:
    """Statistics of a facet enabled field of numbers or dates. There are no options."""
    field = _enabled(name, schema)
    if options != {}:
        raise SearchRefused(f"stats of {name}: there are no options")
    if field.base not in {"int", "double", "date"}:
        raise SearchRefused(f"Field ({name}) of type {field.type} has no statistics")

    def compute(documents: Sequence[Document]) -> dict[str, object]:
        found = [float(one) for each in documents for one in each.get(name)]  # type: ignore[arg-type]
        holding = sum(bool(one.get(name)) for one in documents)
        made: dict[str, object] = {"count": holding, "missing": len(documents) - holding}
        if not found:
            return made
        mean = math.fsum(found) / len(found)
        # Unlike a power, a product that is too large is infinite, and no error.
        squared = math.fsum((one - mean) * (one - mean) for one in found)
        spread = math.sqrt(squared / max(1, len(found) - 1))
        date = field.base == "date"

        def told(number: float) -> str:
            return to_text("date", round(number)) if date else repr(number)

        made |= {"min": told(min(found)), "max": told(max(found)), "mean": told(mean)}
        if not date:
            squares = math.fsum(one * one for one in found)
            made |= {"sum": math.fsum(found), "sumOfSquares": squares, "stddev": spread}
        return made

    return compute
