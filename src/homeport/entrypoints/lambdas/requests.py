"""What a handler reads out of an API Gateway event (HTTP API, payload 2.0)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args
from urllib.parse import parse_qsl

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid, TooLarge, Unauthenticated, VersionMismatch
from homeport.domain.model import names, versions
from homeport.domain.model.data import Json, parse_json
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.writes import Expect, Expectation
from homeport.entrypoints.lambdas.problems import UnsupportedContentCoding, UnsupportedMediaType

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Event = dict[str, Any]
Place: TypeAlias = tuple[str | int, ...]

_UNKNOWN: Final = "unknown"

_REASONS = {
    "missing": Unauthenticated("Send an access token: Authorization: Bearer ..."),
    "invalid": Unauthenticated("The access token is not valid.", "invalid_token"),
    "expired": Unauthenticated("The access token has expired.", "invalid_token"),
}


def principal_of(event: Event, now: int) -> Principal:
    """Who is calling, as the authorizer found out; `now` is in seconds since 1970.

    Raises Unauthenticated, also for a token that expired since the authorizer's answer was
    cached.
    """
    context = event["requestContext"].get("authorizer", {}).get("lambda") or {}
    problem = context.get("problem")
    if problem is None and "id" in context:
        if int(context["expires"]) > now:
            groups = context.get("groups")
            return Principal(
                context["id"], Kind(context["kind"]), tuple(groups.split(",")) if groups else ()
            )
        problem = "expired"
    reason = _REASONS.get(problem or "missing", _REASONS["missing"])
    raise Unauthenticated(reason.detail, reason.reason)


def body_text(event: Event, media_type: str) -> str:
    """The body as text. Raises Invalid for a missing one or one that is not UTF-8, TooLarge,
    or UnsupportedMediaType where the content type is not `media_type`."""
    coding = event["headers"].get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedContentCoding(coding)
    declared = event["headers"].get("content-type", "")
    if declared != media_type:
        _check_media_type(declared, media_type)
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            body = b64decode(body, validate=True).decode()
        except (Base64Error, UnicodeDecodeError):
            raise Invalid("The body is not UTF-8.", (Fault("", "not UTF-8"),)) from None
    if not body:
        raise Invalid("The body is missing.", (Fault("", "missing"),))
    if len(body) * 4 > limits.BODY_BYTES and len(body.encode()) > limits.BODY_BYTES:
        raise TooLarge(f"The body is over {limits.BODY_BYTES:,} bytes.")
    return body


def _check_media_type(declared: str, expected: str) -> None:
    name, _, parameters = declared.partition(";")
    if name.strip().lower() != expected:
        raise UnsupportedMediaType(expected)
    for parameter in parameters.split(";"):
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "charset" and value.strip('"').lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(expected)


def body_model(event: Event, model: type[BaseModel]) -> BaseModel:
    """A JSON body as `model`. What it wraps a record's data in does not count as depth: there
    is room for it, and the data is held to its own limit where it is read."""
    value = parse_json(body_text(event, "application/json"), around=limits.NESTING)
    return _validated(model, value, as_pointer=True)


def pointed(faults: tuple[Fault, ...], pointers: Mapping[str, str]) -> tuple[Fault, ...]:
    """The faults of parameters where `pointers` say that these stand. One of several values
    (`filter/2`) has a place of its own in a body; in a query string only its name."""
    told = []
    for one in faults:
        name, _, item = one.pointer.partition("/")
        place = pointers.get(name, one.pointer)
        several = item and name in pointers and place.startswith("/")
        told.append(Fault(f"{place}/{item}" if several else place, one.detail))
    return tuple(told)


def parameters(raw: str, model: type[BaseModel]) -> BaseModel:
    """The query string as `model`; a parameter stands twice only where it may.

    Clients repeat themselves: the last short ones are kept, and so the models are not to be
    changed.
    """
    return _kept_parameters(raw, model) if len(raw) <= _KEPT else _parameters(raw, model)


def _parameters(raw: str, model: type[BaseModel]) -> BaseModel:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=100)
    except UnicodeDecodeError:
        raise Invalid("The query string is not UTF-8.", (Fault("", "not UTF-8"),)) from None
    except ValueError:
        raise Invalid("The query string holds over 100 parameters.") from None
    values: dict[str, Json] = {}
    for name, value in pairs:
        field = model.model_fields.get(name)
        if field is not None and _is_list(field.annotation):
            several = values.setdefault(name, [])
            if isinstance(several, list):
                several.append(value)
        elif name in values:
            raise Invalid("A parameter stands twice.", (Fault(name, "stands twice"),))
        else:
            values[name] = value
    return _validated(model, values, as_pointer=False)


_KEPT: Final = 2048
"""Characters of a query string that is kept."""
_kept_parameters = lru_cache(1024)(_parameters)


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is list


def _validated(model: type[BaseModel], value: Json, *, as_pointer: bool) -> BaseModel:
    from pydantic import ValidationError

    where = "body" if as_pointer else "query string"
    strange = [*islice(_strange(model, value), _FAULTS + 1)]
    if len(strange) > _FAULTS:  # to be told of each takes longer than all that is asked for
        faults = [Fault(_place(one, as_pointer=as_pointer), _UNKNOWN) for one in strange[:_FAULTS]]
        raise Invalid(f"The {where} is not as it should be.", tuple(faults))
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        faults = []
        for one in exc.errors(include_url=False, include_input=False)[:_FAULTS]:
            place = _place(one["loc"], as_pointer=as_pointer)
            field = model.model_fields.get(str(one["loc"][0])) if one["loc"] else None
            faults.append(Fault(place, _sentence(one["type"], one.get("ctx", {}), field)))
        raise Invalid(f"The {where} is not as it should be.", tuple(faults)) from None


_FAULTS: Final = 20
"""What an answer tells of at most."""


def _strange(model: type[BaseModel], value: Json, above: Place = ()) -> Iterator[Place]:
    """Where names stand that a model has not, those of the models in its lists included."""
    if not isinstance(value, Mapping):
        return
    for name in value:
        if name not in model.model_fields:
            yield (*above, name)
    for name, field in model.model_fields.items():
        inner = next(iter(get_args(field.annotation)), None)
        items = value.get(name)
        if isinstance(inner, type) and hasattr(inner, "model_fields") and isinstance(items, list):
            for place, item in enumerate(items):
                yield from _strange(inner, item, (*above, name, place))


def _place(parts: Sequence[str | int], *, as_pointer: bool) -> str:
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in parts]
    return "".join(f"/{part}" for part in escaped) if as_pointer else ".".join(escaped)


def _sentence(kind: str, context: Mapping[str, Any], field: FieldInfo | None) -> str:
    """What pydantic found, in words for whoever sent it. `field` is the outermost one."""
    match kind:
        case "literal_error":
            choices = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return f"one of {choices}" if "," in choices else f"only {choices}"
        case "string_pattern_mismatch":
            return _ALPHABETS[context["pattern"]]
        case "too_short":
            return f"at least {_items(context['min_length'])}"
        case "too_long":
            return f"at most {_items(context['max_length'])}"
        case "greater_than_equal" | "less_than_equal" if field is not None:
            low, high = (_bound(field, name) for name in ("ge", "le"))
            return f"{low} to {high}"
        case _:
            return _SENTENCES.get(kind, "not as it should be")


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _bound(field: FieldInfo, name: str) -> Any:
    return next(getattr(one, name) for one in field.metadata if hasattr(one, name))


_ALPHABETS: Final = {
    names.ID_PATTERN: names.ID_ALPHABET,
    names.COLLECTION_PATTERN: names.COLLECTION_ALPHABET,
}
_SENTENCES: Final = {
    "extra_forbidden": _UNKNOWN,
    "missing": "missing",
    "string_type": "not a string",
    "list_type": "not an array",
    "dict_type": "not an object",
    "model_type": "not an object",
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_parsing_size": "not a whole number",
}


def expectation(headers: dict[str, str]) -> Expectation | None:
    """What If-Match and If-None-Match ask for; None where neither is there."""
    match = headers.get("if-match")
    none_match = headers.get("if-none-match")
    if match is not None and none_match is not None:
        raise Invalid(
            "If-Match and If-None-Match exclude each other.", (Fault("If-None-Match", "conflict"),)
        )
    if none_match is not None:
        return expect_absent(none_match)
    return None if match is None else expect_match(match)


def expect_absent(none_match: str) -> Expectation:
    if none_match.strip() != "*":
        raise Invalid("A write takes If-None-Match only as *.", (Fault("If-None-Match", "not *"),))
    return Expect.ABSENT


def expect_match(match: str) -> Expectation:
    """The version in an entity tag. A weak one never matches (RFC 9110, 13.1.1)."""
    tag = match.strip()
    if tag == "*":
        return Expect.PRESENT
    weak = tag.startswith("W/")
    quoted = tag.removeprefix("W/")
    if len(quoted) < 2 or quoted[0] != '"' or quoted[-1] != '"' or '"' in quoted[1:-1]:
        raise Invalid(
            "If-Match is not one entity tag.", (Fault("If-Match", 'one "..." as in ETag, or *'),)
        )
    version = None if weak else versions.from_text(quoted[1:-1])
    if version is None:
        raise VersionMismatch("No version of this record has this entity tag.")
    return version
