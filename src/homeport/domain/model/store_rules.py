"""What every record store refuses, whatever its engine: the rules that its port promises."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge
from homeport.domain.model import names
from homeport.domain.model.data import stored_size
from homeport.domain.model.record import Key, Record


def check_count(name: str, count: int, most: int) -> None:
    """Raise Invalid unless there are 1 to `most` of what is called `name`."""
    if not 1 <= count <= most:
        raise Invalid(f"The number of {name} is 1 to {most}, not {count}.")


def check_key(key: Key) -> None:
    """Raise Invalid for a key outside the alphabets; a hidden space has a dot before its id."""
    names.check_id("space", key.space.removeprefix("."))
    names.check_collection(key.collection)
    names.check_id("id", key.id)


def check_transaction(records: Sequence[Record]) -> None:
    """Raise TooLarge for a batch over 4 MB, as DynamoDB would count it."""
    datas = [record.data for record in records if record.data is not None]
    most = limits.TRANSACTION_BYTES
    # A byte of JSON counts for at most 1.5 bytes: most batches need no count.
    if len(datas) > 1 and sum(len(data.text) for data in datas) * 6 > most:
        size = sum(stored_size(data.value) for data in datas)
        if size > most:
            raise TooLarge(f"The batch would take {size:,} bytes; {most:,} at most.")
