"""What operations take beside a record's data: query parameters and JSON bodies.

The models check form (names, types, what is required); what a value means, and its limits, is
the services' to judge. Unknown names are refused everywhere. A model is built when it is first
used: a start need not wait for what nobody asks.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from homeport.domain import limits
from homeport.domain.model.names import COLLECTION_PATTERN, ID_PATTERN


class Parameters(BaseModel):
    """Query parameters: text, turned into numbers where a number is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Body(BaseModel):
    """A JSON body: types as written, nothing is turned into anything else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def _whole(value: object) -> object:
    """JSON Schema counts 20.0 as an integer, and so do clients that know one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber: TypeAlias = Annotated[int, BeforeValidator(_whole)]
"""An integer in a body, however it is written."""


class NoParameters(Parameters):
    """For operations that take no query parameters: any is unknown."""


class HealthParameters(Parameters):
    probe: Literal["ready", "alive"] = Field(
        "ready",
        description="`alive` asks whether the process answers at all, `ready` also its parts.",
    )


class PageParameters(Parameters):
    order: Literal["id", "-id", "updated", "-updated"] = "id"
    limit: int = Field(limits.PAGE_ITEMS_DEFAULT, ge=1, le=limits.PAGE_ITEMS)
    cursor: str | None = None


class ChangesParameters(Parameters):
    since: str | None = None
    limit: int = Field(limits.PAGE_ITEMS, ge=1, le=limits.PAGE_ITEMS)
    collection: str | None = Field(None, pattern=COLLECTION_PATTERN)


class BatchItem(Body):
    op: Literal["create", "put", "patch", "delete"]
    collection: str = Field(pattern=COLLECTION_PATTERN)
    id: str | None = Field(None, pattern=ID_PATTERN)
    data: dict[str, Any] | None = None
    if_match: str | None = None
    if_none_match: Literal["*"] | None = None


class BatchBody(Body):
    writes: list[BatchItem] = Field(min_length=1, max_length=limits.BATCH_WRITES)


class SearchParameters(Parameters):
    q: str = ""
    space: str | None = Field(None, pattern=ID_PATTERN)
    collection: str | None = Field(None, pattern=COLLECTION_PATTERN)
    filter: list[str] = Field(default=[], max_length=limits.FILTERS)
    facet: list[str] = Field(default=[], max_length=limits.FACETS)
    highlight: list[str] = Field(default=[], max_length=limits.FACETS)
    sort: str | None = None
    limit: int = Field(limits.PAGE_ITEMS_DEFAULT, ge=1, le=limits.PAGE_ITEMS)
    cursor: str | None = None


class SearchBody(Body):
    q: str = ""
    space: str | None = Field(None, pattern=ID_PATTERN)
    collection: str | None = Field(None, pattern=COLLECTION_PATTERN)
    filters: list[str] = Field(default=[], max_length=limits.FILTERS)
    facets: list[str] = Field(default=[], max_length=limits.FACETS)
    highlight: list[str] = Field(default=[], max_length=limits.FACETS)
    sort: str | None = None
    limit: WholeNumber = Field(limits.PAGE_ITEMS_DEFAULT, ge=1, le=limits.PAGE_ITEMS)
    cursor: str | None = None


class SuggestParameters(Parameters):
    prefix: str
    space: str | None = Field(None, pattern=ID_PATTERN)
    collection: str | None = Field(None, pattern=COLLECTION_PATTERN)
    field: str | None = None
    limit: int = Field(10, ge=1, le=20)


class MessageBody(Body):
    to: list[str] = Field(min_length=1, max_length=limits.MESSAGE_RECIPIENTS)
    title: str = ""
    text: str = ""
    data: dict[str, Any] = {}


class DeviceBody(Body):
    platform: Literal["apns", "fcm"]
    environment: Literal["production", "sandbox"] = "production"
    token: str


class AccountBody(Body):
    login: str
    password: str


class RefreshBody(Body):
    refresh_token: str
