"""What happened in a test's backend, to be looked at, compared and shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

from homeport.domain.events import RecordChanged
from homeport.domain.model.device import Platform
from homeport.domain.model.identity import Principal
from homeport.domain.ports.push_gateway import Push

Who: TypeAlias = Principal | str
"""Somebody, or their id."""
Named: TypeAlias = Callable[[str], str]
"""An identity's or a space's id -> what the test calls it."""
Kind: TypeAlias = Literal["created", "changed", "deleted"]

_SHOWN = 40
"""What a failure shows at most: the last ones."""


class EventFilter(TypedDict, total=False):
    """What events are asked for by; what is left out matches everything."""

    kind: Kind
    collection: str
    space: Who
    """A space's id; or somebody, for their private space."""
    id: str
    author: Who
    """Who created the record, whoever changed it since."""


class PushFilter(TypedDict, total=False):
    """What pushes are asked for by; what is left out matches everything."""

    title: str
    text: str
    data: Mapping[str, Any]
    """The message's own data."""
    sender: Who
    device: str


@dataclass(frozen=True, slots=True)
class Event:
    """A record was created, changed or deleted. `event` is what consumers get."""

    kind: Kind
    event: RecordChanged

    def shown(self, named: Named) -> str:
        key, author = self.event.key, named(self.event.author)
        return f"{self.kind} {key.collection}/{key.id} in {named(key.space)}, made by {author}"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push that went out. `to` and `sender` are ids of identities; `to` is "" and `device`
    the endpoint where the device is gone by now."""

    to: str
    device: str
    platform: Platform
    title: str
    text: str
    data: Mapping[str, Any]
    sender: str
    payload: Mapping[str, Any]

    def shown(self, named: Named) -> str:
        to = named(self.to) if self.to else "somebody whose device is gone"
        data = f" {dict(self.data)}" if self.data else ""
        return (
            f"to {to} on {self.device} ({self.platform}), from {named(self.sender)}: "
            f"{self.title!r} {self.text!r}{data}"
        )


def events_of(changes: Sequence[RecordChanged]) -> list[Event]:
    """`changes` must begin with the store's first: a record that was deleted before is created
    again."""
    there: set[tuple[str, str, str]] = set()
    events: list[Event] = []
    for one in changes:
        if one.deleted:
            events.append(Event("deleted", one))
            there.discard(one.key)
        else:
            events.append(Event("changed" if one.key in there else "created", one))
            there.add(one.key)
    return events


def pushed_of(push: Push, platform: Platform, to: str, device: str) -> Pushed:
    """What a push says, whichever platform it was rendered for."""
    payload = push.payload
    if platform is Platform.APNS:
        notice = payload["aps"].get("alert", {})
        ids, data = payload, payload.get("data", {})
    else:
        notice = payload.get("notification", {})
        ids = payload["data"]
        data = json.loads(ids.get("data", "{}"))
    return Pushed(
        to,
        device,
        platform,
        notice.get("title", ""),
        notice.get("body", ""),
        data,
        ids["sender"],
        payload,
    )


def event_matches(one: Event, wanted: EventFilter) -> bool:
    """Raises TypeError for what events are not asked for by."""
    key = one.event.key
    has: dict[str, object] = {
        "kind": one.kind,
        "collection": key.collection,
        "space": key.space,
        "id": key.id,
        "author": one.event.author,
    }
    return _matches(has, wanted)


def push_matches(one: Pushed, wanted: PushFilter) -> bool:
    """Raises TypeError for what pushes are not asked for by."""
    names = ("title", "text", "data", "sender", "device")
    return _matches({name: getattr(one, name) for name in names}, wanted)


def check_filter(wanted: Mapping[str, object], kind: type) -> None:
    """Raise TypeError for names that the filter `kind` does not have."""
    known = kind.__annotations__
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise TypeError(f"no filter {', '.join(unknown)}: there are {', '.join(known)}")


def _matches(has: Mapping[str, object], wanted: Mapping[str, Any]) -> bool:
    return all(has[name] == _id(value) for name, value in wanted.items())


def _id(value: object) -> object:
    return value.id if isinstance(value, Principal) else value


def explain(
    what: str, times: int, found: int, wanted: Mapping[str, Any], named: Named, shown: Sequence[str]
) -> str:
    """Why an assertion failed: what was wanted, and what there is instead."""
    by = ", ".join(
        f"{name}={named(value.id) if isinstance(value, Principal) else repr(value)}"
        for name, value in wanted.items()
    )
    lines = [f"{times} {what}{f' with {by}' if by else ''} wanted, {found} found. "]
    if not shown:
        lines[0] += "Nothing at all happened."
    else:
        left_out = len(shown) - _SHOWN
        lines[0] += "What happened:" if left_out <= 0 else f"What happened after {left_out} others:"
        lines += [f"  {one}" for one in shown[-_SHOWN:]]
    return "\n".join(lines)
