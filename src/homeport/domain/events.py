"""Facts, in the past tense, delivered at least once."""

from __future__ import annotations

import json
from dataclasses import dataclass

from homeport.domain.model import versions
from homeport.domain.model.record import Key


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """A record moved from `previous` (None: it did not exist) to `version`.

    It carries no data: whoever acts on it reads the record as it is by then, and is so safe
    from events that come twice, late or out of order.
    """

    key: Key
    version: int
    previous: int | None
    author: str
    deleted: bool

    def to_json(self) -> str:
        """For queues and dead letters. Versions are text there: they are over what a JavaScript
        number holds."""
        previous = None if self.previous is None else versions.to_text(self.previous)
        return json.dumps(
            {
                **self.key._asdict(),
                "version": versions.to_text(self.version),
                "previous": previous,
                "author": self.author,
                "deleted": self.deleted,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> RecordChanged:
        """Raises ValueError, or KeyError, for what `to_json` did not make."""
        fields = json.loads(text)
        previous = fields["previous"]
        return cls(
            Key(fields["space"], fields["collection"], fields["id"]),
            int(fields["version"], 16),
            None if previous is None else int(previous, 16),
            fields["author"],
            fields["deleted"],
        )
