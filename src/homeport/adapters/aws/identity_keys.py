"""The keys that sign access tokens, in the table: one at first, more once they are rotated."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from homeport.adapters.aws.identity_items import SECOND, number, seconds
from homeport.adapters.aws.identity_table import (
    ABSENT,
    PRESENT,
    IdentityTable,
    Item,
    Refused,
    conditional,
)
from homeport.adapters.aws.table import TTL, item_key
from homeport.adapters.credentials.access_tokens import KEY_BYTES, SigningKey
from homeport.domain.errors import Unavailable
from homeport.domain.ports.clock import Clock

REREAD_SECONDS: Final = 5 * 60
"""How old what a process knows of the keys may be."""
SETTLING_SECONDS: Final = 10 * 60
"""When a new key begins to sign: every process knows it by then."""
RETIRED_SECONDS: Final = 60 * 60
"""How long a key is good after a newer one was added: until the last token that it signed has
expired, and clocks that are wrong have come as far."""
_MISSED_SECONDS: Final = 10
"""When to try again where the keys could not be read, while those known still serve."""

_PARTITION: Final = "#signing-keys"
_FIELDS: Final = ("sk", "secret", "created", TTL)
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class _Stored:
    """A key, with the moments when it was made and when it ends, in microseconds since 1970."""

    number: int
    key: SigningKey
    created: int
    ends: int | None


class DynamoDBSigningKeys:
    """Kept in the process and read again every five minutes; no token makes it read sooner."""

    def __init__(self, table: IdentityTable, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._known: tuple[_Stored, ...] = ()
        self._read_at = 0
        self._due = 0

    def current(self) -> SigningKey:
        """The newest key that all processes know; the first one at once."""
        keys = self._keys() or self._begun()
        settled = self._clock.now() - SETTLING_SECONDS * SECOND
        known = [one for one in keys if one.created <= settled]
        return known[-1].key if known else keys[0].key

    def find(self, id: str) -> SigningKey | None:
        """Raises Unavailable for an unknown key that may have come since they were last read."""
        found = next((one.key for one in self._keys() if one.key.id == id), None)
        if found is None and self._read_at <= self._clock.now() - SETTLING_SECONDS * SECOND:
            raise Unavailable("The keys of access tokens cannot be read now.")
        return found

    def rotate(self) -> None:
        """Add a key, and let the others end in an hour. Does nothing beside another who does."""
        older = self._read() or self._begun()
        now = self._clock.now()
        put = {"Item": self._new(older[-1].number + 1), "ConditionExpression": ABSENT}
        ends = {":ends": seconds(now + RETIRED_SECONDS * SECOND)}
        retired = [
            {
                "Update": {
                    "Key": _key(one.number),
                    "UpdateExpression": "SET #ttl = :ends",
                    **conditional(f"{PRESENT} AND attribute_not_exists(#ttl)", ends),
                }
            }
            for one in older
            if one.ends is None
        ]
        with suppress(Refused):  # another has added it
            self._table.transact({"Put": put}, *retired)
        self._read()

    def _keys(self) -> tuple[_Stored, ...]:
        now = self._clock.now()
        if not self._known:
            self._read()
        elif self._due <= now:
            # Set sooner than the call, which can take its time: what is known serves meanwhile.
            self._due = now + _MISSED_SECONDS * SECOND
            with suppress(Unavailable):
                self._read()
        return tuple(one for one in self._known if one.ends is None or one.ends > now)

    def _read(self) -> tuple[_Stored, ...]:
        now = self._clock.now()
        items = self._table.query(_PARTITION, "", _MOST, _FIELDS)
        found = sorted((_stored(one) for one in items), key=lambda one: one.number)
        self._known = tuple(one for one in found if one.ends is None or one.ends > now)
        self._read_at, self._due = now, now + REREAD_SECONDS * SECOND
        return self._known

    def _begun(self) -> tuple[_Stored, ...]:
        """The first key, whoever made it."""
        with suppress(Refused):
            self._table.put_new(self._new(1))
        return self._read()

    def _new(self, count: int) -> Item:
        return _key(count) | {
            "secret": {"B": secrets.token_bytes(KEY_BYTES)},
            "created": number(self._clock.now()),
        }


def _key(count: int) -> Item:
    return item_key(_PARTITION, str(count))


def _stored(item: Item) -> _Stored:
    name = item["sk"]["S"]
    ends = int(item[TTL]["N"]) * SECOND if TTL in item else None
    key = SigningKey(name, bytes(item["secret"]["B"]))
    return _Stored(int(name), key, int(item["created"]["N"]), ends)
