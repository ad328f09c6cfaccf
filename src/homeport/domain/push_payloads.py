"""Renders a message as the platforms want to be pushed: APNs' payload, FCM's v1 message.

Both carry the ids by which an app finds the message: `message` (the sender's id of it),
`record` (the record in the recipient's inbox) and `sender`; not `from`, which FCM keeps for
itself. A message without title and text is silent: it wakes the app, which shows nothing.
There is no badge: the number of unread messages would cost a scan of the inbox at every push.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from homeport.domain import limits
from homeport.domain.model.data import encode
from homeport.domain.model.device import Platform

Payload: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a push says. `record` is the id of the recipient's inbox record."""

    message: str
    record: str
    sender: str
    title: str
    text: str
    data: Mapping[str, Any]

    @property
    def silent(self) -> bool:
        return not self.title and not self.text


def render(platform: Platform, notice: Notice, limit: int = limits.PUSH_BYTES) -> Payload:
    """The payload for a device of this platform, in at most `limit` bytes of JSON."""
    return render_apns(notice, limit) if platform is Platform.APNS else render_fcm(notice, limit)


def render_apns(notice: Notice, limit: int = limits.PUSH_BYTES) -> Payload:
    """APNs' payload: `aps` with an alert, or with `content-available` alone where silent."""

    def build(body: str, data: Mapping[str, Any]) -> Payload:
        aps: Payload = {"content-available": 1}
        if not notice.silent:
            aps = {"alert": _without_empty(title=notice.title, body=body), "sound": "default"}
        payload: Payload = {"aps": aps, **_ids(notice)}
        if data:
            payload["data"] = dict(data)
        return payload

    return _fit(notice, limit, build)


def render_fcm(notice: Notice, limit: int = limits.PUSH_BYTES) -> Payload:
    """FCM v1's `message` object without its token. Values in its `data` are strings, so the
    message's own data is there as JSON text.

    What is shown has a tag: without one each request makes another notification, so a push that
    comes twice would show twice (`AndroidNotification` in FCM's reference). There is no collapse
    key: FCM keeps four of them for a device that is away, and drops what had others.
    """

    def build(body: str, data: Mapping[str, Any]) -> Payload:
        payload: Payload = {"data": _ids(notice)}
        if data:
            payload["data"]["data"] = encode(data)
        if not notice.silent:
            payload["notification"] = _without_empty(title=notice.title, body=body)
            payload["android"] = {"notification": {"tag": notice.record}}
        return payload

    return _fit(notice, limit, build)


def size(payload: Mapping[str, Any]) -> int:
    """What counts against the platforms' 4 KB: the bytes of compact JSON in UTF-8."""
    return len(encode(payload).encode())


def _fit(notice: Notice, limit: int, build: Callable[[str, Mapping[str, Any]], Payload]) -> Payload:
    """The whole payload if it fits; else without the data, which the app finds in the inbox;
    else with the body shortened as well. The ids and the title always stay."""
    for data in (notice.data, {}):
        payload = build(notice.text, data)
        if size(payload) <= limit:
            return payload
    # A character takes a byte at least, so no more than `limit` of them can stay.
    lengths = range(min(len(notice.text), limit) + 1)
    longest = bisect_right(
        lengths, limit, key=lambda length: size(build(_shorten(notice.text, length), {}))
    )
    return build(_shorten(notice.text, max(0, longest - 1)), {})


def _shorten(text: str, length: int) -> str:
    return text[: _boundary(text, length)].rstrip() + "…"


def _boundary(text: str, length: int) -> int:
    """The last place at or before `length` where no character, as a reader sees it, is cut."""
    while 0 < length < len(text) and (_joins(text[length]) or text[length - 1] == _JOINER):
        length -= 1
    return length


_JOINER = "\u200d"


def _joins(char: str) -> bool:
    """Whether `char` belongs to the one before it: accents, variants, skin tones."""
    return (
        char in (_JOINER, "\ufe0e", "\ufe0f", "\u20e3")
        or unicodedata.combining(char) != 0
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def _ids(notice: Notice) -> dict[str, str]:
    return {"message": notice.message, "record": notice.record, "sender": notice.sender}


def _without_empty(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
