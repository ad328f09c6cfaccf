"""A shopping list that a household shares, on Homeport's services as a library.

The list is a shared space; each thing to buy is a record in its collection `items`.
"""

from __future__ import annotations

from dataclasses import dataclass

from homeport.container import Backend
from homeport.domain.errors import VersionMismatch
from homeport.domain.model.identity import Principal
from homeport.domain.model.record import Record
from homeport.domain.search import SearchRequest

_ATTEMPTS = 3


@dataclass(frozen=True)
class ShoppingList:
    """The list in the shared space `space`, as its members use it."""

    backend: Backend
    space: str

    def add(self, who: Principal, name: str, shop: str = "", tell: tuple[str, ...] = ()) -> Record:
        """Put something on the list, and tell the people with the ids in `tell`."""
        data = {"name": name, "shop": shop, "bought": False}
        item = self.backend.records.create(who, self.space, "items", data)
        if tell:
            self.backend.messages.send(who, tell, "Please buy", name, {"item": item.key.id})
        return item

    def buy(self, who: Principal, item: str) -> bool:
        """Take something off the list. False where somebody has bought it already: of two who
        stand in two shops at once, only one shall pay."""
        for _ in range(_ATTEMPTS):
            there = self.backend.records.get(who, self.space, "items", item)
            assert there.data is not None
            if there.data["bought"]:
                return False
            try:
                self.backend.records.patch(
                    who, self.space, "items", item, {"bought": True}, expect=there.version
                )
            except VersionMismatch:
                continue
            return True
        return False

    def find(self, who: Principal, words: str) -> list[str]:
        """The names of what is on the list, by their words, the best match first."""
        request = SearchRequest(words, space=self.space, collection="items")
        found = self.backend.search.search(who, request)
        return [hit.record.data["name"] for hit in found.hits if hit.record.data is not None]
