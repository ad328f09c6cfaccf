"""Brings messages to their recipients: the worker behind the queue of messages.

A message's first job shares it out into further ones, each for a few recipients, and accepts it:
when that is, and that it is, tells its sender nothing of who they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from homeport.domain import limits
from homeport.domain.devices import Devices, block_key
from homeport.domain.errors import HomeportError, Unavailable
from homeport.domain.model import names, versions
from homeport.domain.model.data import Data, encode, same
from homeport.domain.model.device import PushOutcome
from homeport.domain.model.message import CONTENT, State, content_of, message_data, on_its_way
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Expect, Patch, Put, WriteRefused
from homeport.domain.pauses import Pause
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.domain.ports.message_queue import Delivery, MessageQueue
from homeport.domain.ports.push_gateway import Push, PushGateway
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.push_payloads import Notice, render

PUSH_SECONDS: Final = 86_400
"""For how long after it was sent a message is worth a push."""

GROUP: Final = 5
"""Recipients of one job. Ten jobs, each with five who have all the devices that there may be, leave
a worker on Lambda half of its time."""
AGAIN_SECONDS: Final = 10.0
"""Until those of a group are tried again that could not be reached, where others were."""

_ATTEMPTS = 5
"""How often a change is tried that others keep getting in the way of."""


class _ItsOwn(Unavailable):
    """A job's own trouble, which says nothing of the others."""


class MessageDelivery:
    """Makes a message's copies and pushes, and takes the copies back.

    Every step can be done again without harm: a copy has one place in an inbox, and a push
    that comes twice replaces itself on the device. `pause` is called before each
    recipient.
    """

    def __init__(
        self,
        store: RecordStore,
        queue: MessageQueue,
        push: PushGateway,
        identities: IdentityProvider,
        devices: Devices,
        clock: Clock,
        pause: Pause,
    ) -> None:
        self._store = store
        self._queue = queue
        self._push = push
        self._identities = identities
        self._devices = devices
        self._clock = clock
        self._pause = pause

    def work(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """See `Messages.work`."""
        failed: dict[str, str] = {}
        outages: list[Unavailable] = []
        for delivery in deliveries:
            try:
                job = json.loads(delivery.body)
                key = Key(job["sender"], names.SENT, job["message"])
                if "new" in job:
                    self._bring(key, job["to"], new=job["new"])
                else:
                    self._accept(key)
            except HomeportError as exc:
                failed[delivery.id] = exc.detail
                if isinstance(exc, Unavailable) and not isinstance(exc, _ItsOwn):
                    outages.append(exc)
            except Exception as exc:  # noqa: BLE001 - one job's trouble must not fail the others
                failed[delivery.id] = f"{type(exc).__name__}: {exc}"
        if outages and len(outages) == len(deliveries):
            raise outages[0]  # that says nothing of any of them
        return failed

    def _accept(self, key: Key) -> None:
        """See to what a message's state asks for. If it moves meanwhile, go again."""
        is_shared = False
        for _ in range(_ATTEMPTS):
            record = self._store.get(key)
            if record is None or record.data is None or not on_its_way(record):
                return
            try:
                if record.data["state"] == State.RETRACTING:
                    self._withdraw(key, record.data["to"])
                    self._store.write([Delete(key, key.space, record.version)])
                    return
                # What was shared out before is pushed already, whatever it says by now.
                self._share_out(record, new=not (is_shared or record.data.get("edited") is True))
                is_shared = True
                accepted = {"state": State.ACCEPTED.value}
                self._store.write([Patch(key, key.space, accepted, record.version)])
                return
            except WriteRefused:
                continue
        raise _ItsOwn("The message kept being changed.")

    def _share_out(self, record: Record, *, new: bool) -> None:
        assert record.data is not None
        recipients: list[str] = record.data["to"]
        for start in range(0, len(recipients), GROUP):
            self._enqueue(record.key, recipients[start : start + GROUP], new=new)

    def _enqueue(self, key: Key, recipients: list[str], *, new: bool, delay: float = 0.0) -> None:
        job = {"sender": key.space, "message": key.id, "to": recipients, "new": new}
        self._queue.enqueue(encode(job), delay)

    def _bring(self, key: Key, recipients: list[str], *, new: bool) -> None:
        """Make the copies of a group say what the message says, a `new` one's with pushes. If it
        moves meanwhile, go again."""
        endpoints: set[str] = set()
        for _ in range(_ATTEMPTS):
            record = self._store.get(key)
            if record is None:
                return
            if record.data is None or record.data["state"] == State.RETRACTING:
                # Deleted while this job, or an earlier attempt at it, handed it over: what came
                # after the deletion must go as well.
                self._withdraw(key, recipients)
                return
            trouble = self._hand_over(record, record.data, recipients, endpoints, new=new)
            there = self._store.get(key)
            if there is not None and _says_the_same(record.data, there.data):
                self._leave(key, recipients, trouble, new=new)
                return
        raise _ItsOwn("The message kept being changed.")

    def _leave(
        self, key: Key, recipients: list[str], trouble: Mapping[str, Unavailable], *, new: bool
    ) -> None:
        """Those with trouble are tried again by themselves: the others have what they get."""
        if not trouble:
            return
        if len(trouble) == len(recipients):
            raise next(iter(trouble.values()))
        self._enqueue(key, list(trouble), new=new, delay=AGAIN_SECONDS)

    def _hand_over(
        self, record: Record, data: Data, recipients: list[str], endpoints: set[str], *, new: bool
    ) -> Mapping[str, Unavailable]:
        """To the recipients' inboxes, and a new message to their devices, but those `endpoints`
        that this job has reached before. Returns who could not be reached, and why."""
        sender, id = record.key.space, record.key.id
        blocks = self._store.get_many([block_key(one, sender) for one in recipients])
        age = (self._clock.now() - versions.time_of(record.created)) // 1_000_000
        time_to_live = min(PUSH_SECONDS, PUSH_SECONDS - age)
        trouble: dict[str, Unavailable] = {}
        for recipient, block in zip(recipients, blocks, strict=True):
            self._pause()
            if block is not None and not block.deleted:
                continue
            copy = _copy_key(recipient, sender, id)
            try:
                identity = self._identities.find(recipient)
                if identity is None or not self._put_copy(copy, sender, id, data, create=new):
                    continue
                if new and time_to_live > 0 and not identity.disabled:
                    notice = Notice(id, copy.id, sender, **content_of(data))
                    self._push_to(recipient, notice, time_to_live, endpoints)
            except Unavailable as exc:
                trouble[recipient] = exc
        return trouble

    def _put_copy(self, key: Key, sender: str, id: str, data: Data, *, create: bool) -> bool:
        """Make the inbox record say what the message says. False where it is not, or is no
        longer, in the inbox: what its owner deleted stays deleted."""
        content = content_of(data)
        if create:
            fresh = message_data({"from": sender, "message": id, **content, "read": False})
            try:
                self._store.write([Put(key, sender, fresh, Expect.NEVER)])
                return True
            except WriteRefused:
                pass  # an earlier attempt came this far
        for _ in range(_ATTEMPTS):
            there = self._store.get(key)
            if there is None or there.data is None:
                return False
            if all(same(there.data.get(name), value) for name, value in content.items()):
                return True
            changed = message_data({**there.data, **content})
            try:
                self._store.write([Put(key, sender, changed, there.version)])
                return True
            except WriteRefused:
                continue
        raise _ItsOwn("An inbox record kept being changed.")

    def _push_to(
        self, recipient: str, notice: Notice, time_to_live: int, endpoints: set[str]
    ) -> None:
        throttled = False
        for device in self._devices.of(recipient):
            if device.endpoint in endpoints:
                continue
            outcome = PushOutcome.TOO_LARGE
            for limit in (limits.PUSH_BYTES, limits.PUSH_BYTES // 2):
                if outcome is PushOutcome.TOO_LARGE:
                    payload = render(device.target.platform, notice, limit)
                    # A push that comes twice, after a retry, replaces itself on the device.
                    push = Push(payload, notice.record, time_to_live)
                    outcome = self._send(device.endpoint, push)
            if outcome is PushOutcome.STALE:
                self._devices.forget(recipient, device)
            if outcome is PushOutcome.THROTTLED:
                throttled = True
            else:
                endpoints.add(device.endpoint)
        if throttled:
            raise _ItsOwn("The push service asks to slow down.")

    def _send(self, endpoint: str, push: Push) -> PushOutcome:
        try:
            return self._push.send(endpoint, push)
        except Unavailable as exc:
            # Inboxes do not wait for what brings pushes.
            raise _ItsOwn(exc.detail) from exc

    def _withdraw(self, key: Key, recipients: Sequence[str]) -> None:
        """Delete the recipients' copies that are still there."""
        for recipient in recipients:
            self._pause()
            copy = _copy_key(recipient, key.space, key.id)
            try:
                self._store.write([Delete(copy, key.space)])
            except WriteRefused:
                continue


def _says_the_same(data: Data, there: Data | None) -> bool:
    """Whether a message still stands, with the same content."""
    if there is None or there["state"] == State.RETRACTING:
        return False
    return all(same(there[name], data[name]) for name in CONTENT)


def _copy_key(recipient: str, sender: str, id: str) -> Key:
    """A message has one place in an inbox, whoever brings it and however often."""
    digest = hashlib.sha256(f"{sender}\n{id}".encode()).hexdigest()[:32]
    return Key(recipient, names.INBOX, digest)
