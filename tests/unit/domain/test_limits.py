"""The limits are promises: apps are written for them, and the documents name them."""

from __future__ import annotations

from homeport.domain import limits

KB = 1024
PROMISED = {
    "BODY_BYTES": 1_000_000,
    "RECORD_BYTES": 400 * KB,
    "NESTING": 32,
    "NUMBER_DIGITS": 38,
    "NUMBER_MAX_EXPONENT": 125,
    "NUMBER_MIN_EXPONENT": -130,
    "BATCH_WRITES": 90,
    "TRANSACTION_BYTES": 4 * KB * KB,
    "GET_KEYS": 100,
    "PAGE_ITEMS": 100,
    "PAGE_ITEMS_DEFAULT": 20,
    "PAGE_BYTES": 4_000_000,
    "STORE_PAGE_BYTES": 1_000_000,
    "QUERY_BYTES": KB,
    "QUERY_WORDS": 32,
    "QUERY_PATTERNS": 8,
    "FILTERS": 16,
    "CIRCLES": 2,
    "FACETS": 10,
    "FACET_VALUES": 10,
    "FACET_RANGES": 20,
    "FACET_INTERVALS": 366,
    "SEARCH_DEPTH": 10_000,
    "SCHEMA_LEVELS": 128,
    "SCHEMA_FAULTS": 20,
    "INDEXED_FIELDS": 200,
    "FIELD_CHARACTERS": 256,
    "KEYWORD_CODE_POINTS": 256,
    "PLACES": 32,
    "MESSAGE_RECIPIENTS": 100,
    "MESSAGE_TITLE": 256,
    "MESSAGE_BYTES": 32 * 1024,
    "PUSH_BYTES": 4 * KB,
    "DEVICES": 20,
    "PUSH_TOKEN_BYTES": 4 * KB,
    "BLOCKS": 1000,
    "SPACES": 200,
    "SHARDS": 64,
    "QUEUE_BODY_BYTES": 256 * KB,
    "QUEUE_DELAY_SECONDS": 15 * 60,
    "LOGIN_MIN": 3,
    "LOGIN_MAX": 128,
    "PASSWORD_MIN": 8,
    "PASSWORD_MAX": KB,
    "IDENTITIES_PAGE": 60,
    "RETENTION_SECONDS": 30 * 24 * 60 * 60,
}


def test_they_are_what_was_promised() -> None:
    assert {name: value for name, value in vars(limits).items() if name.isupper()} == PROMISED
