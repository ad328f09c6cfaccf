"""Lets go of removals' markers once nobody can have anything older than they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final

from homeport.adapters.opensearch.answers import Answers
from homeport.adapters.opensearch.bulk import Bulk
from homeport.adapters.opensearch.documents import Operation, key_text
from homeport.adapters.opensearch.generations import own_alias
from homeport.domain.model.document import Removal

PERIOD: Final = 3600 * 1_000_000
"""How often to look, in microseconds."""


class Purge:
    """`now` is the time, in microseconds since 1970."""

    def __init__(self, bulk: Bulk, answers: Answers, now: Callable[[], int]) -> None:
        self._bulk = bulk
        self._answers = answers
        self._now = now
        self._due = 0

    def now_and_then(self, indexes: Iterable[str]) -> None:
        """Delete a thousand markers that have expired, once an hour. A record that came back
        meanwhile has a higher version, and stays."""
        now = self._now()
        if now < self._due:
            return
        self._due = now + PERIOD
        for index in indexes:
            found = self._answers.expired(index, now, _AT_ONCE)
            operations = [
                Operation(Removal(key, version), _deletion(key_text(key), version))
                for key, version in found
            ]
            self._bulk.send(own_alias(index), operations)
            if len(found) == _AT_ONCE:
                self._due = now  # there is more


def _deletion(id: str, version: int) -> bytes:
    action = {"_id": id, "version": version, "version_type": "external_gte"}
    return json.dumps({"delete": action}).encode()


_AT_ONCE: Final = 1000
