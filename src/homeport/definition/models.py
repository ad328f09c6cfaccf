"""What a definition holds: `homeport.toml`, checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from homeport.definition.aws import AwsSettings
from homeport.definition.environment import typed as _typed
from homeport.definition.forms import Checked, Form, Held, Prepared
from homeport.definition.opensearch import OpenSearchSettings
from homeport.definition.subscribers import SubscriberSettings, check_declared, told_apart
from homeport.domain import limits
from homeport.domain.errors import Invalid
from homeport.domain.model import names
from homeport.domain.model.collection import (
    Access,
    Catalog,
    Collection,
    FieldDeclaration,
    FieldRole,
)
from homeport.domain.model.data import Data

_EVERYWHERE: Final = ("memory", "embedded")
BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "record_store": (*_EVERYWHERE, "dynamodb"),
    "change_feed": (*_EVERYWHERE, "dynamodb"),
    "search_index": (*_EVERYWHERE, "cloudsearch", "opensearch"),
    "push_gateway": (*_EVERYWHERE, "sns"),
    "message_queue": (*_EVERYWHERE, "sqs"),
    "identity_provider": (*_EVERYWHERE, "dynamodb"),
}
"""The adapters that each port has under a short name."""

PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "memory": dict.fromkeys(BUILT_IN, "memory"),
    "embedded": dict.fromkeys(BUILT_IN, "embedded"),
    "aws": {
        "record_store": "dynamodb",
        "change_feed": "dynamodb",
        "search_index": "cloudsearch",
        "push_gateway": "sns",
        "message_queue": "sqs",
        "identity_provider": "dynamodb",
    },
}
"""Which adapters a profile stands for, where none is named for the port itself."""

_OWN_ADAPTER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s?#]+")


def _collection_name(name: str) -> str:
    try:
        names.check_collection(name)
    except Invalid:
        raise ValueError("a collection's name is 1 to 64 of a-z 0-9 _") from None
    if name in names.RESERVED:
        reserved = ", ".join(sorted(names.RESERVED))
        raise ValueError(f"this name is the backend's own; reserved are {reserved}")
    return name


def _field_path(path: str) -> str:
    if not all(path.split(".")):
        raise ValueError("a path is names with single dots between them, as in `place.city`")
    return path


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as JSON has it. Raises ValueError for what JSON cannot say."""
    try:
        return dict(Data.of(schema, limits.SCHEMA_LEVELS - limits.NESTING))
    except Invalid as error:
        faults = [": ".join(filter(None, (one.pointer, one.detail))) for one in error.faults]
        raise ValueError("; ".join(faults) or error.detail) from None


_Whole = Annotated[int, Prepared(_typed), Held(strict=True)]
_Flag = Annotated[bool, Prepared(_typed), Held(strict=True)]


@dataclass(frozen=True, kw_only=True)
class Adapter(Form):
    """Which adapter serves a port: `"embedded"`, or a table with `use` and `options`.

    `use` is a built-in name or `package.module:Class`; `options` go to that class as keyword
    arguments. Built-in adapters take none.
    """

    use: Annotated[str, Checked(str)]
    options: Annotated[dict[str, Any], Prepared(_typed)] = field(default_factory=dict)

    @classmethod
    def prepared(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value

    def check(self) -> None:
        if self.options and self.built_in:
            raise ValueError(f'the built-in adapter "{self.use}" takes no options')

    @property
    def built_in(self) -> bool:
        return _OWN_ADAPTER.fullmatch(self.use) is None


def _known_adapter(port: str, adapter: Adapter) -> Adapter:
    if adapter.built_in and adapter.use not in BUILT_IN[port]:
        raise ValueError(
            f'"{adapter.use}" is not an adapter of this release. '
            f'Allowed: {", ".join(BUILT_IN[port])}, or your own as "package.module:Class".'
        )
    return adapter


def _embedded() -> Adapter:
    return Adapter(use="embedded")


def _of(port: str) -> Checked:
    return Checked(partial(_known_adapter, port))


@dataclass(frozen=True, kw_only=True)
class Adapters(Form):
    """The adapter of each port. `change_feed` follows `record_store` unless it is set."""

    record_store: Annotated[Adapter, _of("record_store")] = field(default_factory=_embedded)
    change_feed: Annotated[Adapter, _of("change_feed")] = field(default_factory=_embedded)
    search_index: Annotated[Adapter, _of("search_index")] = field(default_factory=_embedded)
    push_gateway: Annotated[Adapter, _of("push_gateway")] = field(default_factory=_embedded)
    message_queue: Annotated[Adapter, _of("message_queue")] = field(default_factory=_embedded)
    identity_provider: Annotated[Adapter, _of("identity_provider")] = field(
        default_factory=_embedded
    )

    @classmethod
    def prepared(cls, value: Any) -> Any:
        if isinstance(value, dict) and "record_store" in value and "change_feed" not in value:
            store = value["record_store"]
            use = store.get("use") if isinstance(store, dict) else store
            if use in BUILT_IN["change_feed"]:
                return {**value, "change_feed": store}
        return value

    @property
    def distant(self) -> bool:
        """Whether any port is served over the network, by an adapter of ours."""
        chosen = (getattr(self, port) for port in BUILT_IN)
        return any(one.built_in and one.use not in _EVERYWHERE for one in chosen)

    def check(self) -> None:
        store, feed = self.record_store, self.change_feed
        if (store.built_in or feed.built_in) and store.use != feed.use:
            raise ValueError(
                f'change_feed "{feed.use}" cannot read the changes of record_store "{store.use}": '
                "use the feed that belongs to the store"
            )


def _networks(proxies: tuple[str, ...]) -> tuple[str, ...]:
    from ipaddress import ip_network

    for one in proxies:
        try:
            ip_network(one)
        except ValueError:
            raise ValueError(f'"{one}" is no address and no network, as 10.0.0.0/8') from None
    return proxies


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f'"{origin}" is not an origin. Allowed: "*", or scheme, host and port '
                'as in "https://app.example.com"'
            )
    return origins


@dataclass(frozen=True, kw_only=True)
class Server(Form):
    """The local server. `port` 0 takes any free one; `access_log` is a line for each request,
    `auto` for people on a terminal and JSON otherwise. Beyond `max_waiting_writes`, or
    `max_requests` at once, callers get 503. A client has `head_seconds` for a request's line
    and headers, `body_seconds` for its body, and ends after `answer_seconds` without reading.
    What `trusted_proxies` say of where a request comes from is believed. `workers` are processes
    that serve beside the first, at most one less than there are processors."""

    host: Annotated[str, Held(min_length=1)] = "127.0.0.1"
    port: Annotated[_Whole, Held(ge=0, le=65535)] = 8090
    cors_origins: Annotated[tuple[str, ...], Prepared(_typed), Checked(_origins)] = ("*",)
    trusted_proxies: Annotated[tuple[str, ...], Prepared(_typed), Checked(_networks)] = ()
    access_log: Literal["auto", "json", "human", "off"] = "auto"
    max_waiting_writes: Annotated[_Whole, Held(ge=1, le=1_000_000)] = 1000
    max_requests: Annotated[_Whole, Held(ge=1, le=1_000_000)] = 512
    workers: Annotated[_Whole, Held(ge=0, le=64)] = 1
    head_seconds: Annotated[_Whole, Held(ge=1, le=3600)] = 30
    body_seconds: Annotated[_Whole, Held(ge=1, le=3600)] = 20
    answer_seconds: Annotated[_Whole, Held(ge=1, le=3600)] = 30
    compression: _Flag = True
    metrics: _Flag = True


@dataclass(frozen=True, kw_only=True)
class Limits(Form):
    """How often one address may do what is dear or dangerous; 0 means no limit.
    Refreshing is bounded as signing in is."""

    guests_per_minute: Annotated[_Whole, Held(ge=0)] = 60
    sign_ups_per_minute: Annotated[_Whole, Held(ge=0)] = 20
    sign_ins_per_minute: Annotated[_Whole, Held(ge=0)] = 30
    requests_per_minute_per_address: Annotated[_Whole, Held(ge=0)] = 0
    requests_per_minute_per_identity: Annotated[_Whole, Held(ge=0)] = 0


def _known_index(adapter: Adapter | None) -> Adapter | None:
    return None if adapter is None else _known_adapter("search_index", adapter)


@dataclass(frozen=True, kw_only=True)
class Search(Form):
    """`language` says how words are cut to their stems, as an ISO 639-1 code; `none` leaves
    them as they are written. `shadow` is an index beside that of the adapters: it gets every
    change and query too, and answers nobody."""

    language: Literal[
        "ar", "da", "de", "el", "en", "es", "fi", "fr", "hu",
        "it", "nl", "no", "pt", "ro", "ru", "sv", "ta", "tr", "none",
    ] = "en"  # fmt: skip
    shadow: Annotated[Adapter | None, Checked(_known_index)] = None


@dataclass(frozen=True, kw_only=True)
class FieldSettings(Form):
    """How a field is searched: `"text"`, or a table with `role` and, for text, `boost`, which
    is 1 where it is not said."""

    role: FieldRole
    boost: Annotated[float, Prepared(_typed), Held(strict=True, ge=1, le=100)] | None = None

    @classmethod
    def prepared(cls, value: Any) -> Any:
        return {"role": value} if isinstance(value, str) else value

    def check(self) -> None:
        if self.boost is not None and self.role is not FieldRole.TEXT:
            raise ValueError(f"only text fields have a boost; this one's role is {self.role}")


def _as_json(schema: Path | dict[str, Any] | None) -> Path | dict[str, Any] | None:
    return checked_schema(schema) if isinstance(schema, dict) else schema


def _not_author(access: Access | None) -> Access | None:
    if access is Access.AUTHOR:
        allowed = ", ".join(one for one in Access if one is not Access.AUTHOR)
        raise ValueError(f'"author" is for writing only. Allowed: {allowed}.')
    return access


@dataclass(frozen=True, kw_only=True)
class CollectionSettings(Form):
    """A declared collection. Where `read` or `write` is not set, the space decides.

    `schema` is a JSON Schema (2020-12), or the file that holds it, which `load` reads. `shards`
    counts on DynamoDB only; there it cannot change once the collection is in use.
    """

    read: Annotated[Access | None, Checked(_not_author)] = None
    write: Access | None = None
    fields: Annotated[
        dict[Annotated[str, Checked(_field_path)], FieldSettings],
        Held(max_length=limits.INDEXED_FIELDS),
    ] = field(default_factory=dict)
    schema: Annotated[Path | dict[str, Any] | None, Checked(_as_json)] = None
    shards: Annotated[_Whole, Held(ge=1, le=limits.SHARDS)] = 1


def _named(folder: Any) -> Any:
    if folder == "":
        raise ValueError("a folder's name is missing")
    return folder


@dataclass(frozen=True, kw_only=True)
class Definition(Form):
    """A whole definition; every key has a default. `load` makes `data_folder` absolute.
    `profile` chooses the adapters of all ports that `adapters` does not name."""

    profile: Literal["memory", "embedded", "aws"] = "embedded"
    data_folder: Annotated[Path, Prepared(_named)] = Path("homeport-data")
    undeclared_collections: Literal["allow", "refuse"] = "allow"
    adapters: Adapters = field(default_factory=Adapters)
    server: Server = field(default_factory=Server)
    limits: Limits = field(default_factory=Limits)
    search: Search = field(default_factory=Search)
    collections: dict[Annotated[str, Checked(_collection_name)], CollectionSettings] = field(
        default_factory=dict
    )
    subscribers: Annotated[
        tuple[SubscriberSettings, ...], Prepared(_typed), Checked(told_apart)
    ] = ()
    aws: AwsSettings = field(default_factory=AwsSettings)
    opensearch: OpenSearchSettings = field(default_factory=OpenSearchSettings)

    @classmethod
    def prepared(cls, value: Any) -> Any:
        """Name the profile's adapters; the feed stays unnamed, since it follows the store."""
        if not isinstance(value, dict):
            return value
        chosen = PROFILES.get(value.get("profile", ""))
        adapters = value.get("adapters", {})
        if chosen is None or not isinstance(adapters, dict):
            return value
        unnamed = {port: use for port, use in chosen.items() if port != "change_feed"}
        return {**value, "adapters": {**unnamed, **adapters}}

    def check(self) -> None:
        if self.subscribers:
            check_declared(self.subscribers, self.catalog())
        shadow, use = self.search.shadow, self.adapters.search_index.use
        if shadow is not None and shadow.use == use:
            raise ValueError(f'search.shadow is "{use}", as adapters.search_index: name another')

    def uses(self, port: str) -> tuple[str, ...]:
        """What serves a port: one adapter, and beside a search index its shadow."""
        shadow = self.search.shadow if port == "search_index" else None
        chosen = getattr(self.adapters, port)
        return tuple(one.use for one in (chosen, shadow) if one is not None)

    def own_adapters(self) -> Iterator[tuple[str, str, Adapter]]:
        """Each adapter that is not ours: its key, the port that it serves, and what it is."""
        for port in Adapters.names():
            adapter = getattr(self.adapters, port)
            if not adapter.built_in:
                yield f"adapters.{port}", port, adapter
        shadow = self.search.shadow
        if shadow is not None and not shadow.built_in:
            yield "search.shadow", "search_index", shadow

    def catalog(self) -> Catalog:
        """The declared collections as the domain knows them."""
        return Catalog(
            (
                Collection(
                    name,
                    one.read,
                    one.write,
                    {
                        path: FieldDeclaration(declared.role, declared.boost or 1.0)
                        for path, declared in one.fields.items()
                    },
                    one.schema if isinstance(one.schema, dict) else None,
                    one.shards,
                )
                for name, one in self.collections.items()
            ),
            refuse_undeclared=self.undeclared_collections == "refuse",
        )
