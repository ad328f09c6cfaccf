"""Who is calling through a reverse proxy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class Proxies:
    """Addresses, or networks, of reverse proxies whose X-Forwarded-For is believed."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ip_network(one) for one in trusted]
        self._is_trusted = lru_cache(4096)(self._is_in_a_network)

    def client(self, address: str, forwarded: str | None) -> str:
        """Who is calling, where `address` has the connection: the last of those in the header
        that is no proxy of ours. What stands before it, anybody could have written."""
        if forwarded is None:
            return address
        for hop in reversed(forwarded.split(",")):
            if not self._is_trusted(address):
                break
            parsed = _parsed(hop)
            if parsed is None:
                break
            address = str(parsed)
        return address

    def _is_in_a_network(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in one for one in self._networks)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, which may have a port behind it, or brackets around it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
