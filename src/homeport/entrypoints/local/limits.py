"""How often one address may do what is costly or worth guessing at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import ceil
from typing import Final

from homeport.domain.errors import RateLimited
from homeport.entrypoints.local.settings import Rate

ADDRESSES: Final = 10_000
ADDRESS: Final = "every request of an address"
IDENTITY: Final = "every request of an identity"
"""Names of the limits that no single operation has."""


class RateLimiter:
    """A token bucket for each pair of operation and address.

    `monotonic` gives seconds. At most `addresses` buckets are kept for an operation; when there
    are more, the one that has gone unused longest is forgotten.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate],
        monotonic: Callable[[], float],
        addresses: int = ADDRESSES,
    ) -> None:
        self._rates = dict(rates)
        self._monotonic = monotonic
        self._addresses = addresses
        self._buckets: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in rates}

    def limits(self, operation: str) -> bool:
        """Whether the operation has a limit at all."""
        return operation in self._rates

    def take(self, operation: str, address: str) -> None:
        """Count one. Raises RateLimited, with the seconds until the next may come."""
        rate = self._rates[operation]
        buckets = self._buckets[operation]
        now = self._monotonic()
        tokens, since = buckets.pop(address, (float(rate.burst), now))
        tokens = min(float(rate.burst), tokens + (now - since) * rate.per_second)
        refused = tokens < 1.0
        buckets[address] = (tokens if refused else tokens - 1.0, now)
        if len(buckets) > self._addresses:
            del buckets[next(iter(buckets))]
        if refused:
            wait = ceil((1.0 - tokens) / rate.per_second)
            raise RateLimited(_REASONS.get(operation, _REASON), max(1, wait))


@lru_cache(4096)
def network_of(address: str) -> str:
    """What shares a bucket: an IPv4 address, or an IPv6 network of 64 bits, of which one
    household or machine has all."""
    if ":" not in address:
        return address
    from ipaddress import ip_address, ip_network  # most never need it

    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped) if mapped else str(ip_network(f"{parsed}/64", strict=False))


_REASON: Final = "Too many of these requests from your address."
_REASONS: Final = {
    ADDRESS: "Too many requests from your address.",
    IDENTITY: "Too many of your requests at once.",
}
