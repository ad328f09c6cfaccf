"""CloudSearch domains for tests: the emulator with the fields that the index needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_fields import index_fields, scheme_name
from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.memory.clock import ManualClock
from homeport.domain.model.collection import Catalog
from homeport.domain.ports.record_store import RecordStore
from homeport.testing import CATALOG
from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator, Field
from tests.aws.resources import REGION


def emulated_fields(language: str = "en") -> dict[str, str | Field]:
    """What a deployment would configure, in the emulator's words."""
    return {
        one.name: Field(
            one.type,
            search=one.search,
            returned=one.returned,
            facet=one.facet,
            sort=one.sort,
            highlight=one.highlight,
            analysis_scheme=one.scheme or _NO_TEXT,
        )
        for one in index_fields(language)
    }


def domain(clock: ManualClock, language: str = "en", **options: Any) -> CloudSearchEmulator:
    """A domain that is not started, with delayed visibility and, within a second, no order."""
    return CloudSearchEmulator(
        emulated_fields(language),
        clock=lambda: clock.now() / 1_000_000,
        schemes={scheme_name("en"): AnalysisScheme(stemming=True)},
        **options,
    )


@cache
def session() -> boto3.Session:
    """One for all tests: what it reads of boto3's service descriptions takes a while."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


def index_on(
    emulator: CloudSearchEmulator,
    clock: ManualClock,
    store: Callable[[], RecordStore] | None = None,
    catalog: Catalog = CATALOG,
    sleep: Callable[[float], None] | None = None,
) -> CloudSearchIndex:
    """An index on a domain that is started; its waiting moves the clock."""
    return CloudSearchIndex(
        Clients(session=session()),
        clock,
        catalog,
        store,
        search_endpoint=emulator.endpoint,
        document_endpoint=emulator.endpoint,
        sleep=sleep or clock.advance,
    )


_NO_TEXT = "_en_default_"
"""The emulator's word for fields that hold none."""
