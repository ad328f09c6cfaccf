"""What operations take beside a record's data: query parameters and JSON bodies.

Forms check names, types and what is required; what a value means, and its limits, is the
services' to judge. Unknown names are refused everywhere.
"""

from __future__ import annotations

from typing import Final

from homeport.domain import limits
from homeport.domain.model import names
from homeport.entrypoints.forms import Form, Maybe, OneOf, Several, Table, Text, Whole

_TEXT: Final = Text()
_ID: Final = Text(names.ID_PATTERN, names.ID_ALPHABET)
_COLLECTION: Final = Text(names.COLLECTION_PATTERN, names.COLLECTION_ALPHABET)
_LIMIT: Final = Whole(1, limits.PAGE_ITEMS, default=limits.PAGE_ITEMS_DEFAULT)

NO_PARAMETERS: Final = Form("NoParameters")
"""For operations that take no query parameters: any is unknown."""
HEALTH_PARAMETERS: Final = Form("HealthParameters", probe=OneOf("ready", "alive", default="ready"))
PAGE_PARAMETERS: Final = Form(
    "PageParameters",
    order=OneOf("id", "-id", "updated", "-updated", default="id"),
    limit=_LIMIT,
    cursor=Maybe(_TEXT),
)
CHANGES_PARAMETERS: Final = Form(
    "ChangesParameters",
    since=Maybe(_TEXT),
    limit=Whole(1, limits.PAGE_ITEMS, default=limits.PAGE_ITEMS),
    collection=Maybe(_COLLECTION),
)
BATCH_ITEM: Final = Form(
    "BatchItem",
    op=OneOf("create", "put", "patch", "delete"),
    collection=_COLLECTION,
    id=Maybe(_ID),
    data=Maybe(Table()),
    if_match=Maybe(_TEXT),
    if_none_match=Maybe(OneOf("*")),
)
BATCH_BODY: Final = Form("BatchBody", writes=Several(BATCH_ITEM, limits.BATCH_WRITES, least=1))
SEARCH_PARAMETERS: Final = Form(
    "SearchParameters",
    q=Text(default=""),
    space=Maybe(_ID),
    collection=Maybe(_COLLECTION),
    filter=Several(_TEXT, limits.FILTERS),
    facet=Several(_TEXT, limits.FACETS),
    highlight=Several(_TEXT, limits.FACETS),
    sort=Maybe(_TEXT),
    limit=_LIMIT,
    cursor=Maybe(_TEXT),
)
SEARCH_BODY: Final = Form(
    "SearchBody",
    q=Text(default=""),
    space=Maybe(_ID),
    collection=Maybe(_COLLECTION),
    filters=Several(_TEXT, limits.FILTERS),
    facets=Several(_TEXT, limits.FACETS),
    highlight=Several(_TEXT, limits.FACETS),
    sort=Maybe(_TEXT),
    limit=_LIMIT,
    cursor=Maybe(_TEXT),
)
SUGGEST_PARAMETERS: Final = Form(
    "SuggestParameters",
    prefix=_TEXT,
    space=Maybe(_ID),
    collection=Maybe(_COLLECTION),
    field=Maybe(_TEXT),
    limit=Whole(1, 20, default=10),
)
MESSAGE_BODY: Final = Form(
    "MessageBody",
    to=Several(_TEXT, limits.MESSAGE_RECIPIENTS, least=1),
    title=Text(default=""),
    text=Text(default=""),
    data=Table(optional=True),
)
DEVICE_BODY: Final = Form(
    "DeviceBody",
    platform=OneOf("apns", "fcm"),
    environment=OneOf("production", "sandbox", default="production"),
    token=_TEXT,
)
ACCOUNT_BODY: Final = Form("AccountBody", login=_TEXT, password=_TEXT)
REFRESH_BODY: Final = Form("RefreshBody", refresh_token=_TEXT)
