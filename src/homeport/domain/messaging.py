"""The messaging service: users write to each other, and to each other's devices.

A message is a record in its sender's `sent`. A job in the queue makes the worker accept it, and
bring it to each recipient's inbox and devices in further jobs; should the first one be lost, the
change feed makes another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from homeport.domain import limits
from homeport.domain.devices import Devices
from homeport.domain.errors import (
    Fault,
    Gone,
    Invalid,
    Mismatched,
    NotFound,
    TooLarge,
    Unavailable,
)
from homeport.domain.events import RecordChanged
from homeport.domain.message_delivery import MessageDelivery
from homeport.domain.model import names
from homeport.domain.model.data import Data, encode, same, stored_size
from homeport.domain.model.identity import Principal
from homeport.domain.model.merge_patch import merge
from homeport.domain.model.message import CONTENT, State, message_data, on_its_way
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Expect, Patch, Put, WriteRefused
from homeport.domain.pauses import Pause, go_on
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.domain.ports.message_queue import Delivery, MessageQueue
from homeport.domain.ports.push_gateway import PushGateway
from homeport.domain.ports.record_store import RecordStore

WATCH_DELAY: Final = 60.0
"""Seconds until the job that the change feed makes is due: long after the first one was."""

_ATTEMPTS = 5
"""How often a change is tried that others keep getting in the way of."""


class Messages:
    """What a sender does with messages, and what the worker does for them. `pause` is called before
    each recipient: whoever shares the worker's processor with requests can let these go first.

    A message's record holds `to`, `title`, `text`, `data`, `state`, and `edited` (true) once it
    was changed after it had been accepted. An inbox record holds `from`, `message`, `title`,
    `text`, `data` and `read`; its author is the sender.
    """

    def __init__(
        self,
        store: RecordStore,
        queue: MessageQueue,
        push: PushGateway,
        identities: IdentityProvider,
        devices: Devices,
        ids: IdFactory,
        clock: Clock,
        pause: Pause = go_on,
    ) -> None:
        self._store = store
        self._queue = queue
        self._ids = ids
        self._delivery = MessageDelivery(store, queue, push, identities, devices, clock, pause)

    def send(
        self,
        principal: Principal,
        to: Sequence[str],
        title: str = "",
        text: str = "",
        data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Record:
        """Take a message to 1 to 100 identities; returns its record, in state `queued`.

        Who is unknown or blocks the sender gets nothing, and the sender does not learn it. With
        `idempotency_key`, a UUID that becomes the message's id, the same call may be repeated:
        it answers with the record as it is by then. Raises Invalid, with a fault for each wrong
        place; TooLarge where title, text and data take over 32 KB; Mismatched where the key came
        before with another message; Gone where that was deleted since.
        """
        content = _content(title, text, data or {})
        _check_recipients(to)
        first = message_data({"to": list(to), **content})
        key = Key(principal.id, names.SENT, self._ids.record_id())
        digest = ""
        if idempotency_key is not None:
            key = key._replace(id=names.id_of_key(idempotency_key))
            digest = first.digest()
        body = message_data({**first.value, "state": State.QUEUED.value})
        try:
            write = Put(key, principal.id, body, Expect.NEVER, first=digest)
            record = self._store.write([write])[0]
        except WriteRefused as refused:
            record = _repeated(refused.current, digest)
        if on_its_way(record):
            # Also where the message was there: the first call may have ended before this.
            self._enqueue(record)
        return record

    def get(self, principal: Principal, id: str) -> Record:
        """A message that the caller sent."""
        record = self._store.get(_sent_key(principal, id))
        if record is None or record.data is None or record.data["state"] == State.RETRACTING:
            raise NotFound
        return record

    def patch(self, principal: Principal, id: str, patch: Mapping[str, Any]) -> Record:
        """Lay a merge patch over `title`, `text` and `data`. The recipients' copies follow,
        without another push. Raises Invalid for other names."""
        faults = [
            Fault(f"/{name}", "a sent message cannot change this")
            for name in patch
            if name not in CONTENT
        ]
        if faults:
            raise Invalid("Only title, text and data can be changed.", tuple(faults))
        for _ in range(_ATTEMPTS):
            record = self.get(principal, id)
            assert record.data is not None
            before = dict(record.data)
            content = _patched(before, patch)
            if all(same(before[name], content[name]) for name in CONTENT):
                return record
            after = {**before, **content, "state": State.QUEUED.value}
            if before["state"] == State.ACCEPTED:
                after["edited"] = True
            try:
                write = Put(record.key, principal.id, message_data(after), record.version)
                record = self._store.write([write])[0]
            except WriteRefused:
                continue
            self._enqueue(record)
            return record
        raise Unavailable("This message is being changed elsewhere.")

    def delete(self, principal: Principal, id: str) -> None:
        """Take a message back: it leaves the inboxes, also where it was read already."""
        for _ in range(_ATTEMPTS):
            record = self.get(principal, id)
            state = {"state": State.RETRACTING.value}
            try:
                self._store.write([Patch(record.key, principal.id, state, record.version)])
            except WriteRefused:
                continue
            self._enqueue(record)
            return
        raise Unavailable("This message is being changed elsewhere.")

    def watch(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        """The change feed's consumer: whatever is on its way gets one more job, in a minute. Fails
        no single event: raises Unavailable where the store or the queue does not answer."""
        sent = {
            one.key
            for one in events
            if one.key.collection == names.SENT
            and not one.deleted
            and not names.is_hidden(one.key.space)
        }
        keys = sorted(sent)
        waiting: dict[Key, Record] = {}
        for start in range(0, len(keys), 100):
            found = self._store.get_many(keys[start : start + 100])
            waiting |= {one.key: one for one in found if one is not None and on_its_way(one)}
        for record in waiting.values():
            self._queue.enqueue(_job(record), WATCH_DELAY)
        return {}

    def work(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """The queue's worker: does each job on its own, and may do it again without harm. Raises
        Unavailable where what all of them need does not answer."""
        return self._delivery.work(deliveries)

    def _enqueue(self, record: Record) -> None:
        try:
            self._queue.enqueue(_job(record))
        except Unavailable:
            return  # `watch` will see the message on its way


def message_view(record: Record) -> dict[str, Any]:
    """A message as its sender sees it, without version and times, which stand on the record:
    `id`, `from`, `to`, `title`, `text`, `data`, `state`."""
    assert record.data is not None
    shown = {name: record.data[name] for name in ("to", *CONTENT, "state")}
    return {"id": record.key.id, "from": record.key.space, **shown}


def _content(title: Any, text: Any, data: Any) -> dict[str, Any]:
    """The three fields, checked together so that every fault is told at once."""
    faults = []
    if not isinstance(title, str) or len(title) > limits.MESSAGE_TITLE:
        faults.append(Fault("/title", f"a string of up to {limits.MESSAGE_TITLE} characters"))
    if not isinstance(text, str):
        faults.append(Fault("/text", "not a string"))
    if not text and not data:
        faults.append(Fault("/text", "a message has text, data or both"))
    if not isinstance(data, Mapping):
        faults.append(Fault("/data", "not an object"))
    else:
        try:
            Data.of(data)
        except Invalid as exc:
            faults += [Fault(f"/data{one.pointer}", one.detail) for one in exc.faults]
    if faults:
        raise Invalid("The message breaks a rule.", tuple(faults))
    content = {"title": title, "text": text, "data": dict(data)}
    size = stored_size(content)
    if size > limits.MESSAGE_BYTES:
        raise TooLarge(
            f"The message would take {size:,} bytes; {limits.MESSAGE_BYTES:,} is the most."
        )
    return content


def _patched(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of the content; a field that is removed becomes empty."""
    merged = merge({name: before[name] for name in CONTENT}, patch)
    return _content(merged.get("title", ""), merged.get("text", ""), merged.get("data", {}))


def _check_recipients(to: Sequence[str]) -> None:
    faults = []
    if not 1 <= len(to) <= limits.MESSAGE_RECIPIENTS:
        faults.append(Fault("/to", f"1 to {limits.MESSAGE_RECIPIENTS} recipients"))
    seen: set[str] = set()
    for place, one in enumerate(to[: limits.MESSAGE_RECIPIENTS]):
        pointer = f"/to/{place}"
        try:
            names.check_id(pointer, one)
        except Invalid as exc:
            faults.extend(exc.faults)
        if one in seen:
            faults.append(Fault(pointer, "the same recipient stands earlier"))
        seen.add(one)
    if faults:
        raise Invalid("The recipients break a rule.", tuple(faults))


def _repeated(current: Record | None, first: str) -> Record:
    """What sending with a key that was there already comes to."""
    if current is None or current.data is None or current.data["state"] == State.RETRACTING:
        raise Gone("This message was sent before, and has been deleted since.")
    if not first or current.first != first:
        raise Mismatched("This Idempotency-Key came before with another message.")
    return current


def _sent_key(principal: Principal, id: str) -> Key:
    return Key(principal.id, names.SENT, names.check_id("id", id))


def _job(record: Record) -> str:
    """What the worker gets first."""
    return encode({"sender": record.key.space, "message": record.key.id})
