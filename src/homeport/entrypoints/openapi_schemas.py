"""What is sent and answered, as JSON Schema for the API's description.

Bodies and query parameters come from `homeport.entrypoints.inputs`; what the forms leave to
the services (lengths, alphabets) is laid over them here. Answers are written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeport.domain import limits
from homeport.domain.model.names import COLLECTION_PATTERN, ID_PATTERN
from homeport.entrypoints import inputs
from homeport.entrypoints.forms import Form, Schema

REFERENCE: Final = "#/components/schemas/{model}"


def reference(name: str) -> Schema:
    return {"$ref": REFERENCE.format(model=name)}


def text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def fields(properties: Mapping[str, Any], *optional: str) -> Schema:
    """An object; all of its properties are there, but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def items(of: Schema, **more: Any) -> Schema:
    return fields({"items": {"type": "array", "items": of}, **more}, *more)


ID: Final = text("1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start.", pattern=ID_PATTERN)
COLLECTION: Final = text("1 to 64 of a-z 0-9 _.", pattern=COLLECTION_PATTERN)
TIME: Final = text("RFC 3339 in UTC, with milliseconds.", format="date-time")
VERSION: Final = text(
    "Assigned by the store at each write: later versions sort later.", pattern="^[0-9a-f]{16}$"
)
CURSOR: Final = text("Where the next page begins. Absent on the last page.")
_DATA: Final[Schema] = {
    "type": "object",
    "description": "Any JSON object: up to 400 KB, 32 levels, numbers of up to 38 digits.",
    "additionalProperties": True,
}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_ENVELOPE: Final = {
    "id": ID,
    "space": ID,
    "collection": COLLECTION,
    "author": {**ID, "description": "The identity that created the record."},
    "version": VERSION,
    "created": TIME,
    "updated": TIME,
}
_STATE: Final[Schema] = {
    "type": "string",
    "enum": ["queued", "accepted"],
    "description": "All that the sender learns is that it was accepted.",
}
_LIVES: Final[Schema] = {"type": "integer", "minimum": 1, "description": "In seconds."}

ANSWERS: Final[dict[str, Schema]] = {
    "RecordData": _DATA,
    "Record": fields({**_ENVELOPE, "data": reference("RecordData")}),
    "Tombstone": fields({**_ENVELOPE, "deleted": {"type": "boolean", "const": True}}),
    "RecordOrTombstone": {"oneOf": [reference("Record"), reference("Tombstone")]},
    "RecordPage": items(reference("Record"), cursor=CURSOR),
    "WriteResult": fields(
        {
            "status": {"type": "integer", "enum": [200, 201, 204]},
            "record": reference("RecordOrTombstone"),
        }
    ),
    "WriteResults": items(reference("WriteResult")),
    "Changes": fields(
        {
            "items": {"type": "array", "items": reference("RecordOrTombstone")},
            "checkpoint": text("Pass it as `since` to go on. Good for 30 days."),
            "more": {"type": "boolean", "description": "Whether changes are waiting right now."},
        }
    ),
    "Hit": fields(
        {
            "record": reference("Record"),
            "score": {"type": "number", "description": "Relative to the page's best hit."},
            "highlights": {
                "type": "object",
                "description": "By field: HTML-escaped fragments, matches in `<em>`.",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
            "distance": {
                "type": "number",
                "minimum": 0,
                "description": "In metres, where hits are sorted by it and the record has a place.",
            },
        },
        "distance",
    ),
    "FacetCount": fields({"value": {"type": ["string", "number"]}, "count": _COUNT}),
    "SearchResult": fields(
        {
            "hits": {"type": "array", "items": reference("Hit")},
            "total": _COUNT,
            "facets": {
                "type": "object",
                "description": (
                    "By what was asked for, among all matches: the most frequent values of a "
                    "field; each range, in the order asked for; each interval by its begin, "
                    "without gaps."
                ),
                "additionalProperties": {"type": "array", "items": reference("FacetCount")},
            },
            "cursor": CURSOR,
        },
        "cursor",
    ),
    "Suggestion": fields({"text": {"type": "string"}, "count": _COUNT}),
    "Suggestions": items(reference("Suggestion")),
    "Message": fields(
        {
            "id": ID,
            "from": ID,
            "to": {"type": "array", "items": ID},
            "title": {"type": "string"},
            "text": {"type": "string"},
            "data": {"type": "object", "additionalProperties": True},
            "state": _STATE,
            "version": VERSION,
            "created": TIME,
            "updated": TIME,
        }
    ),
    "Device": fields(
        {
            "id": ID,
            "platform": {"type": "string", "enum": ["apns", "fcm"]},
            "environment": {"type": "string", "enum": ["production", "sandbox"]},
            "registered": TIME,
        }
    ),
    "Devices": items(reference("Device")),
    "Block": fields({"identity": ID}),
    "Blocks": items(reference("Block")),
    "Identity": fields(
        {
            "id": ID,
            "kind": {"type": "string", "enum": ["guest", "user"]},
            "created": TIME,
            "login": text("Absent for a guest."),
            "groups": {"type": "array", "items": {"type": "string"}},
        },
        "login",
        "groups",
    ),
    "Session": fields(
        {
            "identity": reference("Identity"),
            "access_token": {"type": "string"},
            "token_type": {"type": "string", "const": "Bearer"},
            "expires_in": _LIVES,
            "refresh_token": {"type": "string"},
        }
    ),
    "Accepted": fields({"status": {"type": "string", "const": "accepted"}}),
    "Health": fields(
        {
            "status": {"type": "string", "enum": ["ok", "alive"]},
            "version": text("Of the backend."),
        }
    ),
}

_RECORD_PATCH: Final[Schema] = {
    "type": "object",
    "description": "A merge patch (RFC 7396): null removes a field.",
    "additionalProperties": True,
}
_TITLE: Final = {"maxLength": limits.MESSAGE_TITLE}
_MESSAGE_PATCH: Final[Schema] = {
    "type": "object",
    "description": "A merge patch (RFC 7396) of what the message says: null empties a field.",
    "properties": {
        "title": {"type": ["string", "null"], **_TITLE},
        "text": {"type": ["string", "null"]},
        "data": {"type": ["object", "null"], "additionalProperties": True},
    },
    "additionalProperties": False,
}
PATCHES: Final = {"RecordPatch": _RECORD_PATCH, "MessagePatch": _MESSAGE_PATCH}

_QUERY: Final = {
    "maxLength": limits.QUERY_BYTES,
    "description": (
        'Words, "a phrase", -not, prefix*, nearly~: at most 1,024 bytes of UTF-8. The first '
        f"{limits.QUERY_WORDS} words count; at most {limits.QUERY_PATTERNS} may end in * or ~, "
        "those in filters included."
    ),
}
_WHERE: Final = {
    "space": {"description": "Only in this space; `me` for one's own."},
    "collection": {"description": "Only in this collection."},
}
_FILTER: Final = {
    "description": (
        "`kind:novel`, `pages:>300`, `pages:100..200`, `title~running shoes`, "
        "`place:48.21,16.37,5km` (latitude, longitude and a distance in m or km; at most "
        f"{limits.CIRCLES} of these): all hold."
    ),
}
_FACET: Final = {
    "description": (
        "Counts among all matches: of a field's values (`kind`), of ranges as filters write "
        f"them (`pages:<100,100..200,>200`, up to {limits.FACET_RANGES}), or of a date field by "
        f"`hour`, `day`, `week`, `month` or `year` in UTC (`seen:month`, up to "
        f"{limits.FACET_INTERVALS})."
    ),
}
_PAGED: Final = {
    "limit": {"description": "How many at most."},
    "cursor": {"description": "From the page before, of the same question."},
}
_SEARCH: Final[dict[str, Schema]] = {
    "q": _QUERY,
    **_WHERE,
    "highlight": {"description": "Fragments of these declared text fields."},
    "sort": {
        "description": (
            "A declared field, `-field` for descending, or `place:48.21,16.37` for the nearest "
            "first; else the best first."
        )
    },
    **_PAGED,
}
_ACCOUNT: Final[dict[str, Schema]] = {
    "login": {
        "minLength": limits.LOGIN_MIN,
        "maxLength": limits.LOGIN_MAX,
        "pattern": r"^\S+$",
        "description": "Printable characters without spaces; case does not count.",
    },
    "password": {"minLength": limits.PASSWORD_MIN, "maxLength": limits.PASSWORD_MAX},
}
OVERLAYS: Final[dict[str, dict[str, Schema]]] = {
    "HealthParameters": {
        "probe": {
            "description": (
                "`alive` asks whether the process answers at all, `ready` also its parts."
            )
        }
    },
    "PageParameters": {"order": {"description": "`id` is the order of creation."}, **_PAGED},
    "ChangesParameters": {
        "since": {"description": "The checkpoint of the answer before; at first none."},
        "limit": _PAGED["limit"],
        "collection": _WHERE["collection"],
    },
    "SearchParameters": {**_SEARCH, "filter": _FILTER, "facet": _FACET},
    "SearchBody": {**_SEARCH, "filters": _FILTER, "facets": _FACET},
    "SuggestParameters": {
        "prefix": {**_QUERY, "description": "Its last word is completed."},
        **_WHERE,
        "field": {"description": "Only words of this text field."},
        "limit": _PAGED["limit"],
    },
    "MessageBody": {
        "to": {"items": ID, "uniqueItems": True, "description": "Identities."},
        "title": _TITLE,
        "text": {"description": "A message has text, data or both."},
        "data": {"description": "For the app."},
    },
    "DeviceBody": {
        "token": {
            "minLength": 1,
            "maxLength": limits.PUSH_TOKEN_BYTES,
            "description": "The platform's. APNs: hexadecimal; FCM: printable ASCII.",
        },
        "environment": {"description": "FCM has production only."},
    },
    "AccountBody": _ACCOUNT,
    "RefreshBody": {"refresh_token": {"description": "Of the last session."}},
}
_EMPTY_MESSAGE: Final = {"text": {"maxLength": 0}, "data": {"maxProperties": 0}}
_RULES: Final[dict[str, Schema]] = {
    "MessageBody": {"not": {"properties": _EMPTY_MESSAGE}},
    "DeviceBody": {
        "if": {"properties": {"platform": {"const": "fcm"}}},
        "then": {
            "properties": {
                "environment": {"const": "production"},
                "token": {"pattern": "^[!-~]+$"},
            }
        },
        "else": {"properties": {"token": {"pattern": "^([0-9A-Fa-f]{2}){1,200}$"}}},
    },
}
"""What holds between the fields of a body."""

_OPS: Final = {
    "create": (("data",), ("id", "if_none_match")),
    "put": (("id", "data"), ("if_match", "if_none_match")),
    "patch": (("id", "data"), ("if_match", "if_none_match")),
    "delete": (("id",), ("if_match", "if_none_match")),
}
"""For each op of a batch, the fields that it needs and those that it may have."""
_CONDITIONS: Final = ("if_match", "if_none_match")
_ONE_CONDITION: Final[Schema] = {
    "not": {
        "required": list(_CONDITIONS),
        "properties": {name: {"type": "string"} for name in _CONDITIONS},
    }
}


def of_form(form: Form) -> Schema:
    """A form's schema, with the overlay."""
    made = form.bare_schema()
    overlay = OVERLAYS.get(form.name, {})
    for name, schema in made["properties"].items():
        schema.update(overlay.get(name, {}))
    return {**made, **_RULES.get(form.name, {})}


def bodies(used: Iterable[Form]) -> dict[str, Schema]:
    """The schemas of all bodies, by name."""
    made = {one.name: of_form(one) for one in used}
    if inputs.BATCH_BODY.name in made:
        made[inputs.BATCH_BODY.name]["properties"]["writes"]["items"] = reference(
            inputs.BATCH_ITEM.name
        )
        made |= _batch_items()
    return {**made, **PATCHES}


def _batch_items() -> dict[str, Schema]:
    """A schema for each op: what one takes is not what another does."""
    properties = of_form(inputs.BATCH_ITEM)["properties"]
    made: dict[str, Schema] = {}
    for op, (needed, possible) in _OPS.items():
        shown: Schema = {
            "op": {"type": "string", "const": op},
            "collection": properties["collection"],
        }
        shown |= {name: not_null(properties[name]) for name in needed}
        shown |= {name: properties[name] for name in possible}
        if op == "delete":
            shown["data"] = {"type": "null"}
        one = fields(shown, *possible, "data") if op == "delete" else fields(shown, *possible)
        made[f"Batch{op.title()}"] = {**one, **_ONE_CONDITION, "additionalProperties": False}
    each = {op: f"Batch{op.title()}" for op in _OPS}
    made[inputs.BATCH_ITEM.name] = {
        "oneOf": [reference(name) for name in each.values()],
        "discriminator": {
            "propertyName": "op",
            "mapping": {op: REFERENCE.format(model=name) for op, name in each.items()},
        },
    }
    return made


def not_null(schema: Schema) -> Schema:
    """The schema of a value that is there."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) != 1:
        return dict(schema)
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**kinds[0], **rest}
