"""Devices that an identity can be pushed to, and the identities that it wants nothing from.

Both are records in the identity's hidden space, up to a number that holds however many are
added at once. A token belongs to one identity at a time: a binding, in a hidden space of its
own, says to whom, and moves together with the device.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from homeport.domain import limits
from homeport.domain.errors import Conflict, Fault, Invalid, NotFound, Unavailable
from homeport.domain.model import names
from homeport.domain.model.data import Data
from homeport.domain.model.device import Device, Environment, Platform, PushTarget
from homeport.domain.model.identity import Principal
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Delete, Expect, Expectation, Put, Write, WriteRefused
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.push_gateway import PushGateway
from homeport.domain.ports.record_store import Order, RecordStore

DEVICES: Final = "devices"
BLOCKS: Final = "blocks"
TOKENS: Final = "tokens"
GATES: Final = "gates"

_Writes: TypeAlias = list[Write]

_ATTEMPTS = 5
"""How often a change is tried that others keep getting in the way of."""
_BLOCK_ATTEMPTS = 25
"""The same for blocks, which an app may bring many of at once."""

_is_apns_token = re.compile(r"(?:[0-9a-f]{2}){1,200}\Z").match
_is_fcm_token = re.compile(r"[!-~]+\Z").match


class Devices:
    """Where an identity can be pushed to: up to 20 devices, each named by its app."""

    def __init__(self, store: RecordStore, push: PushGateway, clock: Clock) -> None:
        self._store = store
        self._push = push
        self._clock = clock

    def list(self, principal: Principal) -> tuple[Device, ...]:
        """The caller's devices, by id."""
        return self.of(principal.id)

    def of(self, identity: str) -> tuple[Device, ...]:
        """The devices of any identity, for the backend's own use."""
        records = _all(self._store, names.hidden_space(identity), DEVICES)
        return tuple(found for one in records if (found := _device(one)) is not None)

    def put(self, principal: Principal, id: str, target: PushTarget) -> Device:
        """Register a device, or register it again: apps do so at every start.

        A token that another device holds, of whichever identity, moves here; the endpoint that
        another identity had for it ends. Raises Invalid for a token that the platform would not
        take and Conflict for a 21st device.
        """
        key = _device_key(principal.id, names.check_id("device", id))
        check_target(target)
        gate = _gate_key(principal.id, DEVICES)
        # Who is refused at the gate is so because another device got in: 20 times at most.
        for _ in range(_ATTEMPTS + limits.DEVICES):
            # The binding is read before the endpoint is: whoever lets go of the token since, and
            # of the endpoint with it, makes the write below fail.
            own, binding, passed = self._store.get_many([key, _token_key(target), gate])
            known = _device(own)
            if known is None and len(self.of(principal.id)) >= limits.DEVICES:
                raise Conflict(f"An identity has at most {limits.DEVICES} devices.")
            held = self._holder(binding, _binding(principal.id, id))
            others = held is not None and held.key.space != key.space
            former = _device(held) if others else None
            if former is not None:
                # What went to somebody else on this phone, or is just going there, stays with
                # the endpoint that they had.
                self._push.unregister(former.endpoint)
            endpoint = self._push.register(target, known.endpoint if known else None)
            device = Device(id, target, endpoint, self._clock.now())
            replaces = known is not None and known.endpoint != endpoint
            if known is not None and replaces:
                self._push.unregister(known.endpoint)
            writes: _Writes = [Put(key, principal.id, _data(device), _as_read(own))]
            if known is None:
                writes.append(_pass(gate, principal.id, passed))
            try:
                rebinding = self._rebind(principal.id, device, known, binding, held)
                self._store.write([*writes, *rebinding])
            except WriteRefused:
                if former is not None:
                    self._renew(target)
                if known is not None and replaces:
                    self._renew(known.target)
                continue
            return device
        raise Unavailable("This device is being changed elsewhere.")

    def delete(self, principal: Principal, id: str) -> None:
        """Forget a device. Raises NotFound where there is none."""
        names.check_id("device", id)
        if not self._remove(principal.id, id, None):
            raise NotFound

    def forget(self, identity: str, device: Device) -> None:
        """Drop a device that pushes no longer reach, unless it has been registered since."""
        self._remove(identity, device.id, device.registered)

    def _remove(self, identity: str, id: str, registered: int | None) -> bool:
        for _ in range(_ATTEMPTS):
            key = _device_key(identity, id)
            own = self._store.get(key)
            device = _device(own)
            if own is None or device is None:
                return False
            if registered is not None and device.registered != registered:
                return False
            # First of all: whoever registers the token meanwhile then gets another endpoint.
            self._push.unregister(device.endpoint)
            try:
                freed = self._unbind(identity, device)
                self._store.write([Delete(key, identity, own.version), *freed])
            except WriteRefused:
                self._renew(device.target)
                continue
            return True
        raise Unavailable("This device is being changed elsewhere.")

    def _renew(self, target: PushTarget) -> None:
        """Give whoever holds this token by now an endpoint that works: they may have been
        given the very one that was unregistered."""
        for _ in range(_ATTEMPTS):
            binding = self._store.get(_token_key(target))
            if binding is None or binding.data is None:
                return
            identity = binding.data["identity"]
            key = _device_key(identity, binding.data["device"])
            held = self._store.get(key)
            device = _device(held)
            if held is None or device is None:
                return
            endpoint = self._push.register(target, device.endpoint)
            if endpoint == device.endpoint:
                return
            data = _data(replace(device, endpoint=endpoint))
            with contextlib.suppress(WriteRefused):
                self._store.write([Put(key, identity, data, held.version)])
                return
        raise Unavailable("This device is being changed elsewhere.")

    def _holder(self, binding: Record | None, wanted: Data) -> Record | None:
        """The device that has a token by its binding, if it is not the one that is wanted."""
        if binding is None or binding.data is None or binding.data == wanted:
            return None
        held = self._store.get(_device_key(binding.data["identity"], binding.data["device"]))
        return None if held is None or held.deleted else held

    def _rebind(
        self,
        identity: str,
        device: Device,
        known: Device | None,
        binding: Record | None,
        held: Record | None,
    ) -> Sequence[Write]:
        """The writes that give `device` its token, and take it from the one that held it."""
        key = _token_key(device.target)
        data = _binding(identity, device.id)
        if binding is not None and binding.data == data:
            return []
        writes: _Writes = [Put(key, identity, data, _as_read(binding))]
        if held is not None:
            writes.append(Delete(held.key, identity, held.version))
        if known is not None and known.target != device.target:
            writes += self._unbind(identity, known)
        return writes

    def _unbind(self, identity: str, device: Device) -> Sequence[Write]:
        """The write that frees the token of `device`, if it still is the device's."""
        key = _token_key(device.target)
        binding = self._store.get(key)
        if binding is None or binding.data != _binding(identity, device.id):
            return []
        return [Delete(key, identity, binding.version)]


class Blocks:
    """Whom an identity wants no messages from: up to 1,000."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    def list(self, principal: Principal) -> tuple[str, ...]:
        """The ids of those whom the caller blocks, sorted."""
        records = _all(self._store, names.hidden_space(principal.id), BLOCKS)
        return tuple(one.key.id for one in records)

    def put(self, principal: Principal, identity: str) -> None:
        """Take no more messages from `identity`, who does not learn it and need not exist.
        Raises Conflict for the 1,001st."""
        key = block_key(principal.id, names.check_id("identity", identity))
        gate = _gate_key(principal.id, BLOCKS)
        for _ in range(_BLOCK_ATTEMPTS):
            there, passed = self._store.get_many([key, gate])
            if there is not None and not there.deleted:
                return
            if len(self.list(principal)) >= limits.BLOCKS:
                raise Conflict(f"An identity blocks at most {limits.BLOCKS} others.")
            try:
                block = Put(key, principal.id, Data.of({}), Expect.ABSENT)
                self._store.write([block, _pass(gate, principal.id, passed)])
            except WriteRefused:
                continue
            return
        raise Unavailable("Too many are being blocked at once.")

    def delete(self, principal: Principal, identity: str) -> None:
        """Take messages from `identity` again. Raises NotFound where it was not blocked."""
        key = block_key(principal.id, names.check_id("identity", identity))
        try:
            self._store.write([Delete(key, principal.id)])
        except WriteRefused:
            raise NotFound from None


def _gate_key(identity: str, collection: str) -> Key:
    """What every new record of a collection with a limit passes through. It is read before the
    records are counted and written with the new one, which is refused if another has passed
    meanwhile. What leaves goes freely."""
    return Key(names.hidden_space(identity), GATES, collection)


def _pass(gate: Key, identity: str, read: Record | None) -> Write:
    return Put(gate, identity, Data.of({}), _as_read(read))


def _all(store: RecordStore, space: str, collection: str) -> Iterator[Record]:
    """The records of a small collection. A page may be short, or empty, before the last one:
    a store does not look at any number of tombstones in one go."""
    after: Position | None = None
    while True:
        page = store.page(space, collection, Order.ID, limits.PAGE_ITEMS, after)
        yield from page.records
        after = page.next
        if after is None:
            return


def block_key(identity: str, blocked: str) -> Key:
    """Where it stands that `identity` blocks `blocked`."""
    return Key(names.hidden_space(identity), BLOCKS, blocked)


def check_target(target: PushTarget) -> None:
    """Raise Invalid for what the platform would not take.

    APNs tokens are hexadecimal, of up to 200 bytes (SNS's limit); FCM's are printable ASCII of
    up to 4 KB, and FCM has no sandbox.
    """
    if target.platform is Platform.APNS:
        if _is_apns_token(target.token) is None:
            raise _invalid("/token", "not a token of APNs: up to 200 bytes in hexadecimal")
        return
    if target.environment is not Environment.PRODUCTION:
        raise _invalid("/environment", "FCM has production only")
    if len(target.token) > limits.PUSH_TOKEN_BYTES or _is_fcm_token(target.token) is None:
        raise _invalid("/token", "not a token of FCM: up to 4096 printable ASCII characters")


def _invalid(pointer: str, detail: str) -> Invalid:
    return Invalid("This device cannot be pushed to.", (Fault(pointer, detail),))


def _as_read(record: Record | None) -> Expectation:
    """What a write expects so that it meets the record as it was read."""
    if record is None or record.deleted:
        return Expect.ABSENT
    return record.version


def _device_key(identity: str, id: str) -> Key:
    return Key(names.hidden_space(identity), DEVICES, id)


def _token_key(target: PushTarget) -> Key:
    """A space for each token: they spread over all of a store's partitions."""
    text = f"{target.platform}\n{target.environment}\n{target.token}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Key(f".token-{digest}", TOKENS, "holder")


def _binding(identity: str, device: str) -> Data:
    return Data.of({"identity": identity, "device": device})


def _data(device: Device) -> Data:
    target = device.target
    return Data.of(
        {
            "platform": target.platform.value,
            "environment": target.environment.value,
            "token": target.token,
            "endpoint": device.endpoint,
            "registered": device.registered,
        }
    )


def _device(record: Record | None) -> Device | None:
    """None where there is none, or no longer."""
    if record is None or record.data is None:
        return None
    data = record.data
    target = PushTarget(Platform(data["platform"]), Environment(data["environment"]), data["token"])
    return Device(record.key.id, target, data["endpoint"], data["registered"])
