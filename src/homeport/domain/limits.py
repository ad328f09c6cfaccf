"""The limits, in one place. They are the strictest real engine's, so that what passes in a
unit test passes on AWS too. Sizes are in bytes of UTF-8."""

from typing import Final

BODY_BYTES: Final = 1_000_000
RECORD_BYTES: Final = 400 * 1024
"""A record as DynamoDB would count it: names, values and key."""
NESTING: Final = 32
NUMBER_DIGITS: Final = 38
NUMBER_MAX_EXPONENT: Final = 125
NUMBER_MIN_EXPONENT: Final = -130

BATCH_WRITES: Final = 90
"""DynamoDB's transaction holds 100 items; ten are left for conditions."""
TRANSACTION_BYTES: Final = 4 * 1024 * 1024
"""What all the records of one batch may take together (DynamoDB's transaction)."""
GET_KEYS: Final = 100
"""What one read of many records may ask for (DynamoDB's batch get)."""
PAGE_ITEMS: Final = 100
PAGE_ITEMS_DEFAULT: Final = 20
PAGE_BYTES: Final = 4_000_000
STORE_PAGE_BYTES: Final = 1_000_000
"""What one page of a store may hold before it ends early (DynamoDB's query page)."""

QUERY_BYTES: Final = 1024
QUERY_WORDS: Final = 32
"""How many words of a query count; and how many all filters of a search may have together."""
QUERY_PATTERNS: Final = 8
"""How many prefixes and words that are nearly so a search may have, in its filters too. An
engine looks for each in its list of all words: that is what can make a search long."""
FILTERS: Final = 16
CIRCLES: Final = 2
"""How many of them may ask for what is near a place. An index that knows no distances reads the
places of many records for each."""
FACETS: Final = 10
FACET_VALUES: Final = 10
FACET_RANGES: Final = 20
"""How many ranges one facet may name."""
FACET_INTERVALS: Final = 366
"""How many hours, days, weeks, months or years one facet may count."""
SEARCH_DEPTH: Final = 10_000
"""How many hits paging by relevance can reach (CloudSearch and OpenSearch alike)."""
SCHEMA_LEVELS: Final = 128
"""How deep a collection's schema may be nested."""
SCHEMA_FAULTS: Final = 20
"""How many faults of one record are told."""
INDEXED_FIELDS: Final = 200
FIELD_CHARACTERS: Final = 256
"""The longest path of a field that is indexed."""
KEYWORD_CODE_POINTS: Final = 256
PLACES: Final = 32
"""How many places a field of one record is indexed with: its first."""

MESSAGE_RECIPIENTS: Final = 100
MESSAGE_TITLE: Final = 256
MESSAGE_BYTES: Final = 32 * 1024
"""Title, text and data, of which each recipient gets a copy."""
PUSH_BYTES: Final = 4096
DEVICES: Final = 20
PUSH_TOKEN_BYTES: Final = 4096
BLOCKS: Final = 1000
SPACES: Final = 200
SHARDS: Final = 64
"""Over how many partitions a collection's records in one space can be spread."""

QUEUE_BODY_BYTES: Final = 256 * 1024
QUEUE_DELAY_SECONDS: Final = 900
"""What SQS takes."""

LOGIN_MIN: Final = 3
LOGIN_MAX: Final = 128
PASSWORD_MIN: Final = 8
PASSWORD_MAX: Final = 1024
IDENTITIES_PAGE: Final = 60
"""What one page of identities may hold (Cognito's ListUsers)."""

RETENTION_SECONDS: Final = 30 * 24 * 3600
"""How long a tombstone is kept."""
