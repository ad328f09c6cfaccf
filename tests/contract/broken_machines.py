"""Clocks and makers of ids that were broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homeport.adapters.system import SystemClock, SystemIds


class CountsSeconds(SystemClock):
    def now(self) -> int:
        return super().now() // 1_000_000


class CountsFromAnotherYear(SystemClock):
    def now(self) -> int:
        return super().now() - 55 * 365 * 86_400 * 1_000_000


class StandsStill(SystemClock):
    def now(self) -> int:
        return 1_750_000_000_000_000


class MakesRecordIdsTwice(SystemIds):
    def record_id(self) -> str:
        self._last = 0
        made = super().record_id()
        return made[:-2] + "00"


class MakesIdsOutOfOrder(SystemIds):
    def record_id(self) -> str:
        self._last = 0
        return super().record_id()


class MakesPlainRandomIds(SystemIds):
    def record_id(self) -> str:
        made = super().record_id()
        return made[:14] + "4" + made[15:]


class MakesIdentitiesInCapitals(SystemIds):
    def identity_id(self) -> str:
        return super().identity_id().upper()


class MakesShortSecrets(SystemIds):
    def secret(self) -> str:
        return super().secret()[:22]


class MakesOneSecret(SystemIds):
    def secret(self) -> str:
        return "x" * 43


class MakesWideTails(SystemIds):
    def tail(self) -> int:
        return super().tail() << 1


class MakesOneTail(SystemIds):
    def tail(self) -> int:
        return 7


CLOCKS: Final[Sequence[type[SystemClock]]] = (CountsSeconds, CountsFromAnotherYear, StandsStill)
IDS: Final[Sequence[type[SystemIds]]] = (
    MakesRecordIdsTwice,
    MakesIdsOutOfOrder,
    MakesPlainRandomIds,
    MakesIdentitiesInCapitals,
    MakesShortSecrets,
    MakesOneSecret,
    MakesWideTails,
    MakesOneTail,
)
