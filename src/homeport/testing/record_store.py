"""The contract of the record store: what all its parts share, and the whole of them."""

from __future__ import annotations

from homeport.testing.record_batches import BatchesContract
from homeport.testing.record_changes import ChangesContract
from homeport.testing.record_members import MembersContract
from homeport.testing.record_pages import PagesContract
from homeport.testing.record_writes import WritesContract


class RecordStoreContract(
    WritesContract, BatchesContract, PagesContract, ChangesContract, MembersContract
):
    """What `homeport.domain.ports.record_store.RecordStore` promises.

    Override the fixture `store`. It may be the same store for all tests, if it must. Hand it
    the fixture `clock`; a store whose engine stamps with its own time sets `takes_clock` to
    False instead.

    A store in which a write can appear after one that was stamped later sets `commits_late`
    to True, `window` to how late that can be, and overrides `stamp_early`, so that the suite
    can bring such histories about. `histories` is how many of them it tries.
    """
