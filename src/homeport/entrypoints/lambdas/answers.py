"""Results of services as HTTP answers.

A record's data is spliced in as the text that is stored, unparsed: it was checked on its way
in, and every other part of the envelope is of an alphabet that needs no escaping.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from homeport.domain.model import versions
from homeport.domain.model.data import encode
from homeport.entrypoints.lambdas.problems import Result

if TYPE_CHECKING:
    from homeport.domain.model.device import Device
    from homeport.domain.model.identity import Identity, Session
    from homeport.domain.model.record import Record
    from homeport.domain.records import Changes, Page
    from homeport.domain.search import Found, SearchResult, Suggestion

JSON = "application/json"
# A record may be kept by its reader, and asked for again with its ETag; by nobody else.
_KEPT = {"content-type": JSON, "cache-control": "private, no-cache"}
_UNKEPT = {"content-type": JSON, "cache-control": "no-store"}


@lru_cache(4096)
def _second(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_text(microseconds: int) -> str:
    """RFC 3339 with milliseconds, UTC."""
    digits = str(microseconds)
    return f"{_second(digits[:-6])}.{digits[-6:-3]}Z"


@lru_cache(8192)
def version_time_text(version: int) -> str:
    """When a version was stamped. The same records are listed again and again."""
    return time_text(versions.time_of(version))


def record_text(record: Record) -> str:
    """A record's JSON; a tombstone has `deleted` and no `data`."""
    (space, collection, id), author, version, first_version, data, _ = record
    created = version_time_text(first_version)
    updated = created if version == first_version else version_time_text(version)
    tail = '"deleted":true}' if data is None else f'"data":{data.text}}}'
    return (
        f'{{"id":"{id}","space":"{space}","collection":"{collection}",'
        f'"author":"{author}","version":"{version:016x}",'
        f'"created":"{created}","updated":"{updated}",{tail}'
    )


def etag(record: Record) -> str:
    return f'"{record.version:016x}"'


def read(record: Record, headers: dict[str, str]) -> Result:
    tag = etag(record)
    known = headers.get("if-none-match")
    if known is not None and (tag in known or known.strip() == "*"):
        return {"statusCode": 304, "headers": {"etag": tag, **_KEPT}, "body": ""}
    return _record(200, record, tag)


def created(record: Record) -> Result:
    answer = _record(201, record, etag(record))
    answer["headers"]["location"] = "/v1/records/" + "/".join(record.key)
    return answer


def stored(record: Record) -> Result:
    return created(record) if record.version == record.created else changed(record)


def changed(record: Record) -> Result:
    return _record(200, record, etag(record))


def _record(status: int, record: Record, tag: str) -> Result:
    headers = {
        "content-type": JSON,
        "cache-control": "private, no-cache",
        "etag": tag,
    }
    return {"statusCode": status, "headers": headers, "body": record_text(record)}


def nothing(_: object = None) -> Result:
    return {"statusCode": 204, "headers": {"cache-control": "no-store"}, "body": ""}


def accepted(_: object = None) -> Result:
    return _unkept(202, '{"status":"accepted"}')


def page(result: Page) -> Result:
    items = ",".join(map(record_text, result.records))
    cursor = "" if result.cursor is None else f',"cursor":"{result.cursor}"'
    return _kept(f'{{"items":[{items}]{cursor}}}')


def batch(records: Sequence[Record]) -> Result:
    items = ",".join(
        f'{{"status":{_batch_status(one)},"record":{record_text(one)}}}' for one in records
    )
    return _kept(f'{{"items":[{items}]}}')


def _batch_status(record: Record) -> int:
    if record.deleted:
        return 204
    return 201 if record.version == record.created else 200


def changes(result: Changes) -> Result:
    items = ",".join(map(record_text, result.records))
    more = "true" if result.more else "false"
    return _kept(f'{{"items":[{items}],"checkpoint":"{result.checkpoint}","more":{more}}}')


def found(result: SearchResult) -> Result:
    hits = ",".join(
        f'{{"record":{record_text(hit.record)},"score":{hit.score:.4g},'
        f'"highlights":{encode(hit.highlights) if hit.highlights else "{}"}{_far(hit)}}}'
        for hit in result.hits
    )
    facets = {
        field: [{"value": one.value, "count": one.count} for one in counts]
        for field, counts in result.facets.items()
    }
    cursor = "" if result.cursor is None else f',"cursor":"{result.cursor}"'
    counted = encode(facets) if facets else "{}"
    return _kept(f'{{"hits":[{hits}],"total":{result.total},"facets":{counted}{cursor}}}')


def _far(hit: Found) -> str:
    return "" if hit.distance is None else f',"distance":{hit.distance:.1f}'


def suggestions(result: Sequence[Suggestion]) -> Result:
    items = [{"text": one.text, "count": one.count} for one in result]
    return _kept(encode({"items": items}))


def message(record: Record) -> Result:
    return _message(200, record)


def message_accepted(record: Record) -> Result:
    answer = _message(202, record)
    answer["headers"]["location"] = f"/v1/messages/{record.key.id}"
    return answer


def _message(status: int, record: Record) -> Result:
    from homeport.domain.messaging import message_view

    view = {
        **message_view(record),
        "version": versions.to_text(record.version),
        "created": version_time_text(record.created),
        "updated": version_time_text(record.version),
    }
    answer = _unkept(status, encode(view))
    answer["headers"]["etag"] = etag(record)
    return answer


def devices(result: Iterable[Device]) -> Result:
    return _kept(encode({"items": [_device(one) for one in result]}))


def device(result: Device) -> Result:
    return _kept(encode(_device(result)))


def _device(device: Device) -> dict[str, Any]:
    # The token is a key to the device: whoever registered it has it, and nobody else needs it.
    return {
        "id": device.id,
        "platform": str(device.target.platform),
        "environment": str(device.target.environment),
        "registered": time_text(device.registered),
    }


def blocks(result: Iterable[str]) -> Result:
    return _kept(encode({"items": [{"identity": one} for one in result]}))


def session(result: Session) -> Result:
    return _session(200, result)


def session_created(result: Session) -> Result:
    return _session(201, result)


def _session(status: int, session: Session) -> Result:
    body = {
        "identity": _identity(session.identity),
        "access_token": session.access_token,
        "token_type": "Bearer",
        "expires_in": session.expires_in,
        "refresh_token": session.refresh_token,
    }
    return _unkept(status, encode(body))


def identity(result: Identity) -> Result:
    return _unkept(200, encode(_identity(result)))


def _identity(identity: Identity) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": identity.id,
        "kind": str(identity.kind),
        "created": time_text(identity.created),
    }
    if identity.login:
        body["login"] = identity.login
    if identity.groups:
        body["groups"] = list(identity.groups)
    return body


def health(result: dict[str, str]) -> Result:
    return _unkept(200, encode(result))


def _kept(body: str) -> Result:
    return {"statusCode": 200, "headers": dict(_KEPT), "body": body}


def _unkept(status: int, body: str) -> Result:
    return {"statusCode": status, "headers": dict(_UNKEPT), "body": body}


def described(text: str, headers: dict[str, str]) -> Result:
    """The API's description, which anybody may keep."""
    tag = f'"{sha256(text.encode()).hexdigest()[:32]}"'
    sent = {"content-type": JSON, "cache-control": "public, no-cache", "etag": tag}
    known = headers.get("if-none-match")
    if known is not None and (tag in known or known.strip() == "*"):
        return {"statusCode": 304, "headers": sent, "body": ""}
    return {"statusCode": 200, "headers": sent, "body": text}
