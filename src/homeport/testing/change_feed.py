"""The contract of the change feed: the whole of it."""

from __future__ import annotations

from homeport.testing.feed_dead_letters import DeadLettersContract
from homeport.testing.feed_deliveries import DeliveriesContract
from homeport.testing.feed_whole_batches import WholeBatchesContract


class ChangeFeedContract(DeliveriesContract, DeadLettersContract, WholeBatchesContract):
    """What `homeport.domain.ports.change_feed.ChangeFeed` promises.

    Override the fixtures `store`, a record store without records, and `feed`, its change feed,
    made with the fixture `clock` and with `retry`.
    """
