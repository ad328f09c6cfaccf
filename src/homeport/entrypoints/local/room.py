"""How many bytes clients may have together in this process's memory."""

from __future__ import annotations


class Room:
    """So many bytes for all together, and a quarter of them for one network."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._by_network: dict[str, int] = {}

    def take(self, network: str, size: int) -> bool:
        """Take so many more. Returns whether there was room; else nothing was taken."""
        theirs = self._by_network.get(network, 0) + size
        if self._taken + size > self._size or theirs > self._size // 4:
            return False
        self._taken += size
        self._by_network[network] = theirs
        return True

    def give_back(self, network: str, size: int) -> None:
        self._taken -= size
        left = self._by_network.get(network, 0) - size
        if left > 0:
            self._by_network[network] = left
        else:
            self._by_network.pop(network, None)
