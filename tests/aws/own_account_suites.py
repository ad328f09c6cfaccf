"""Suites that `make test-aws` runs besides: DynamoDB's own stream, with a table for each test,
and a CloudSearch domain of one's own. They take minutes, so `make test` does not collect them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from homeport.adapters.aws.change_feed import DynamoDBChangeFeed
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.parked_letters import ParkedLetters
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model.collection import Catalog
from homeport.testing import CATALOG, ChangeFeedContract, SearchIndexContract
from tests.aws.queues import create_queue
from tests.aws.resources import create_table, delete_table

STREAM_SECONDS = 0.1 if os.environ.get("AWS_ENDPOINT_URL") else 2.0
"""Until the stream has what was written: less than one, as DynamoDB documents; none at all where
an emulator stands in for it."""
SEARCH = os.environ.get("HOMEPORT_TEST_CLOUDSEARCH_SEARCH")
DOCUMENTS = os.environ.get("HOMEPORT_TEST_CLOUDSEARCH_DOCUMENT")


class TestChangeFeed(ChangeFeedContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        """From now on: by another time each change would have been committed too late."""
        return ManualClock(SystemClock().now())

    @pytest.fixture
    def table(self, in_real_time: Clients) -> Iterator[str]:
        name = create_table(in_real_time)
        yield name
        delete_table(in_real_time, name)

    @pytest.fixture
    def store(self, in_real_time: Clients, clock: ManualClock, table: str) -> DynamoDBRecordStore:
        return DynamoDBRecordStore(in_real_time, clock, SystemIds(), Catalog(), table=table)

    @pytest.fixture
    def feed(
        self, in_real_time: Clients, clock: ManualClock, store: DynamoDBRecordStore, table: str
    ) -> DynamoDBChangeFeed:
        queue, redriven = (create_queue(in_real_time, kind) for kind in ("parked", "redriven"))
        parked = ParkedLetters(in_real_time, clock, queue=queue, redriven=redriven)
        return DynamoDBChangeFeed(
            in_real_time, clock, self.retry, parked, store, table=table, quiet=0
        )

    def settle(self) -> None:
        time.sleep(STREAM_SECONDS)


@pytest.mark.skipif(not (SEARCH and DOCUMENTS), reason="for a CloudSearch domain of one's own")
class TestSearchIndex(SearchIndexContract):
    letters = False
    stems = True
    swaps = False
    histories = 4
    _index: CloudSearchIndex

    @pytest.fixture
    def index(self, clock: ManualClock) -> CloudSearchIndex:
        self._index = CloudSearchIndex(
            Clients(), clock, CATALOG, None, search_endpoint=SEARCH, document_endpoint=DOCUMENTS
        )
        return self._index

    def settle(self) -> None:
        self._index.await_visible()
