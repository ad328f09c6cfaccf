"""What the API's description shows: parameters, examples, and how answers lead to requests."""

from __future__ import annotations

from typing import Any, Final

from homeport.domain.model import versions
from homeport.entrypoints.openapi_problems import EXAMPLE_VERSION

_VERSION: Final = versions.to_text(EXAMPLE_VERSION)
_TAG: Final = f'"{_VERSION}"'
_UUID: Final = "0197f2a4-6c1e-7d30-8a51-3f2b9c7d1e04"
_ANN, _BEN = "4kq7m2x5rzt3w6ycbnhdjvgae2", "h2v6c9n4tq8xk3mzp5wjrsbd7y"
_TIME: Final = "2026-01-31T09:30:00.000Z"
_ENVELOPE: Final = {
    "id": _UUID,
    "space": _ANN,
    "collection": "notes",
    "author": _ANN,
    "version": _VERSION,
    "created": _TIME,
    "updated": _TIME,
}
_DATA: Final = {"title": "Bread", "minutes": 45}
_RECORD: Final = {**_ENVELOPE, "data": _DATA}
_IDENTITY: Final = {"id": _ANN, "kind": "guest", "created": _TIME}
_DEVICE: Final = {
    "id": "phone",
    "platform": "fcm",
    "environment": "production",
    "registered": _TIME,
}
_MESSAGE: Final = {"to": [_BEN], "title": "Hello", "text": "Bread is ready.", "data": {}}
_ACCOUNT: Final = {"login": "ann@example.org", "password": "correct horse battery"}

ANSWERED: Final[dict[str, Any]] = {
    "Record": _RECORD,
    "RecordPage": {"items": [_RECORD]},
    "WriteResults": {"items": [{"status": 201, "record": _RECORD}]},
    "Changes": {
        "items": [_RECORD, {**_ENVELOPE, "id": "old", "deleted": True}],
        "checkpoint": "WyJjIl0",
        "more": False,
    },
    "SearchResult": {
        "hits": [{"record": _RECORD, "score": 1, "highlights": {"title": ["<em>Bread</em>"]}}],
        "total": 1,
        "facets": {"kind": [{"value": "recipe", "count": 1}]},
    },
    "Suggestions": {"items": [{"text": "bread", "count": 3}]},
    "Message": {
        "id": _UUID,
        "from": _ANN,
        **_MESSAGE,
        "state": "queued",
        "version": _VERSION,
        "created": _TIME,
        "updated": _TIME,
    },
    "Device": _DEVICE,
    "Devices": {"items": [_DEVICE]},
    "Blocks": {"items": [{"identity": _BEN}]},
    "Identity": _IDENTITY,
    "Session": {
        "identity": _IDENTITY,
        "access_token": "an access token",
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": "a refresh token",
    },
    "Accepted": {"status": "accepted"},
}
"""By schema."""

SENT: Final[dict[str, Any]] = {
    "create_record": _DATA,
    "put_record": _DATA,
    "patch_record": {"minutes": 50, "draft": None},
    "write_batch": {
        "writes": [
            {"op": "create", "collection": "notes", "data": _DATA},
            {"op": "put", "collection": "notes", "id": "bread", "data": _DATA},
            {"op": "patch", "collection": "notes", "id": "soup", "data": {"minutes": 30}},
            {"op": "delete", "collection": "notes", "id": "old", "if_match": _TAG},
        ]
    },
    "search_structured": {"q": "fresh bread", "filters": ["minutes:..60"], "facets": ["kind"]},
    "send_message": _MESSAGE,
    "patch_message": {"text": "Bread is ready, and so is soup."},
    "put_device": {"platform": "fcm", "token": "the-token-of-the-platform"},
    "sign_up": _ACCOUNT,
    "sign_in": _ACCOUNT,
    "refresh": {"refresh_token": "a refresh token"},
}
"""By operation."""

PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "space": {
        "description": "A space's name, `public`, or `me` for the caller's own.",
        "example": "me",
    },
    "collection": {"description": "A collection's name.", "example": "notes"},
    "id": {"description": "What its creation answered, or was given.", "example": _UUID},
    "device": {"description": "The app's name for the device.", "example": "phone"},
    "identity": {"description": "An identity's id.", "example": _BEN},
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "Only if the record is at this version, or with `*` if it exists. Not "
        "together with If-None-Match.",
        "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[^"]*")$'},
        "example": _TAG,
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "Only if the record does not exist.",
        "schema": {"type": "string", "enum": ["*"]},  # generators take no const in a header
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Becomes the id of what is created; the same call may be repeated.",
        "schema": {
            "type": "string",  # no format: generated clients would send an object for it
            "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        },
        "example": _UUID,
    },
    "known": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of what the caller has: 304 where it is still the same.",
        "schema": {"type": "string"},
        "example": _TAG,
    },
}


def _to(operation: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": parameters}


_KEY: Final = {name: f"$response.body#/{name}" for name in ("space", "collection", "id")}
_SAME: Final = {"space": "$request.path.space", "collection": "$request.path.collection"}
_THIS_VERSION: Final = {"header.If-Match": "$response.header.ETag"}
_AROUND_RECORD: Final = {
    "get": _to("get_record", **_KEY),
    "put": _to("put_record", **_KEY),
    "patch": _to("patch_record", **_KEY),
    "delete": _to("delete_record", **_KEY),
    "putThisVersion": _to("put_record", **_KEY, **_THIS_VERSION),
    "deleteThisVersion": _to("delete_record", **_KEY, **_THIS_VERSION),
}
_MESSAGE_ID: Final = {"id": "$response.body#/id"}
_REFRESH: Final = {
    "operationId": "refresh",
    "requestBody": {"refresh_token": "$response.body#/refresh_token"},
}
LINKS: Final[dict[str, dict[str, Any]]] = {
    "create_record": {
        **_AROUND_RECORD,
        "list": _to("list_records", **{name: _KEY[name] for name in ("space", "collection")}),
        "changes": _to("list_changes", space=_KEY["space"]),
    },
    "put_record": _AROUND_RECORD,
    "list_records": {"next": _to("list_records", **_SAME, cursor="$response.body#/cursor")},
    "list_changes": {
        "next": _to("list_changes", space=_SAME["space"], since="$response.body#/checkpoint")
    },
    "send_message": {
        "get": _to("get_message", **_MESSAGE_ID),
        "patch": _to("patch_message", **_MESSAGE_ID),
        "delete": _to("delete_message", **_MESSAGE_ID),
    },
    "put_device": {"delete": _to("delete_device", device="$response.body#/id")},
    "create_guest": {"refresh": _REFRESH},
    "sign_in": {"refresh": _REFRESH},
}
"""How answers lead on, by operation."""
