"""The one composition root: which adapter stands behind which port, and who gets what.

`build(definition)` gives a Backend. Modules of adapters that the definition does not choose
are never imported, nor are services that nobody asks for: a function that stores records never
loads what searches. Everything is built when it is first asked for.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dependency_injector import containers, providers

from homeport import __version__
from homeport.definition import Adapter, Definition, DefinitionError, Problem, dotted
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.collection import FieldRole
from homeport.domain.ports.deliveries import Retry

if TYPE_CHECKING:
    from homeport.adapters.aws.parked_letters import ParkedLetters
    from homeport.adapters.aws.subscriber_queue import SubscriberQueue
    from homeport.definition.opensearch import OpenSearchSettings
    from homeport.domain.dead_letters import DeadLetters
    from homeport.domain.devices import Blocks, Devices
    from homeport.domain.health import Health
    from homeport.domain.identity import Identities
    from homeport.domain.indexing import Indexing
    from homeport.domain.messaging import Messages
    from homeport.domain.model.collection import Catalog
    from homeport.domain.operator_records import OperatorRecords
    from homeport.domain.ports.change_feed import ChangeFeed
    from homeport.domain.ports.clock import Clock
    from homeport.domain.ports.id_factory import IdFactory
    from homeport.domain.ports.identity_provider import IdentityProvider
    from homeport.domain.ports.message_queue import MessageQueue
    from homeport.domain.ports.push_gateway import PushGateway
    from homeport.domain.ports.record_store import RecordStore
    from homeport.domain.ports.schema_validator import SchemaValidator
    from homeport.domain.ports.search_index import SearchIndex
    from homeport.domain.records import Records
    from homeport.domain.schemas import Schemas
    from homeport.domain.search import Search
    from homeport.domain.subscribers import Subscriber

_MEMORY: Final = "homeport.adapters.memory"
_EMBEDDED: Final = "homeport.adapters.embedded"
_AWS: Final = "homeport.adapters.aws"
_OPENSEARCH: Final = "homeport.adapters.opensearch"

_ASSUMED_LAG: Final = 30.0
"""Seconds that a change may take into the index, where the feed does not measure it."""

CONSUMERS: Final = ("indexing", "messaging")
"""The backend's own consumers of the change feed."""


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _late(path: str) -> Callable[..., Any]:
    """`package.module:Class`, imported when it is called."""

    def build(*args: Any, **kwargs: Any) -> Any:
        return _load(path)(*args, **kwargs)

    return build


def _service(path: str) -> Callable[..., Any]:
    return _late(f"homeport.domain.{path}")


# The gateway's pumps and requests ask from several threads.
_once: Final = providers.ThreadSafeSingleton


def _closing() -> ExitStack:
    return ExitStack()


def _opened(closing: ExitStack, build: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `build` makes; where it has a `close`, that is called when the backend is closed."""
    part = build(*args, **kwargs)
    close = getattr(part, "close", None)
    if close is not None:
        closing.callback(close)
    return part


def _own(adapter: Adapter, **parts: Any) -> Any:
    """A third party's adapter: its options, and the parts that its constructor names."""
    kind = _load(adapter.use)
    wanted = inspect.signature(kind).parameters
    return kind(**{name: part for name, part in parts.items() if name in wanted}, **adapter.options)


def _which(adapter: Adapter) -> str:
    """The name of the argument of `_port` that makes this adapter."""
    if not adapter.built_in:
        return "own"
    return adapter.use if adapter.use in ("memory", "embedded", "opensearch") else "aws"


def _port(
    definition: providers.Provider[Definition],
    closing: providers.Provider[ExitStack],
    port: str,
    *,
    memory: providers.Provider[Any],
    embedded: providers.Provider[Any],
    aws: providers.Provider[Any],
    opensearch: providers.Provider[Any] | None = None,
    chosen: Callable[[Definition], Adapter | None] | None = None,
    **parts: providers.Provider[Any],
) -> Any:
    """A port's adapter as the definition chooses it; `parts` are what one's own may ask for."""
    choice = chosen or (lambda one: getattr(one.adapters, port))
    adapter = providers.Callable(choice, definition)
    return providers.Selector(
        providers.Callable(_which, adapter),
        memory=memory,
        embedded=embedded,
        aws=aws,
        opensearch=opensearch or aws,
        own=_once(_opened, closing, _own, adapter, **parts),
    )


def _embedded_index(beside: bool, *parts: Any) -> Any:
    """The index of a data folder; where another process has that, to look at alone."""
    kind = "search_beside:EmbeddedIndexBeside" if beside else "search_index:EmbeddedSearchIndex"
    return _load(f"{_EMBEDDED}.{kind}")(*parts)


def _shadowed(first: SearchIndex, second: SearchIndex) -> Any:
    """An index over two. The log says each time that they differ, and shows nothing of users'."""
    from homeport.domain.index_shadow import Sample, ShadowedIndex

    log = logging.getLogger("homeport.search.shadow")

    def tell(sample: Sample) -> None:
        found = both.report()
        log.info(
            "The shadow index answers differently (%s%s): %d of %d queries so far; %d changes "
            "have not reached it.",
            ", ".join(sample.differs),
            f", {sample.cause}" if sample.cause else "",
            found.asked - found.equal,
            found.asked,
            found.missed,
        )

    both = ShadowedIndex(first, second, tell)
    return both


def _pace(
    definition: Definition, clock: Clock, feed: Callable[[], ChangeFeed], *, beside: bool
) -> Any:
    """How time passes while the index is rebuilt or verified. Where the records are this
    process's alone, nothing is indexed by waiting for it."""
    from homeport.domain.index_records import Pace

    def lag() -> float:
        measure: Callable[[str], float] | None = getattr(feed(), "lag", None)
        return _ASSUMED_LAG if measure is None else measure("indexing")

    adapter = definition.adapters.record_store
    alone = not beside and _which(adapter) in ("memory", "embedded")
    return Pace(clock, lag=None if alone else lag)


def _cloudsearch(*parts: Any, language: str, **endpoints: str | None) -> Any:
    """The index of a domain. Raises DefinitionError where nothing says which."""
    unset = [name for name, endpoint in endpoints.items() if endpoint is None]
    if unset:
        reason = (
            'not set, and the search index "cloudsearch" needs it. Set it to the CloudSearch '
            "domain's, also as HOMEPORT_AWS__{}, or adapters.search_index to another index."
        )
        raise DefinitionError(
            [Problem("", f"aws.{name}", reason.format(name.upper())) for name in unset]
        )
    return _load(f"{_AWS}.search_index:CloudSearchIndex")(*parts, language=language, **endpoints)


def _opensearch(
    settings: OpenSearchSettings,
    region: str | None,
    clock: Clock,
    catalog: Catalog,
    store: Callable[[], RecordStore],
    language: str,
) -> Any:
    """The index on a search server. Raises DefinitionError where its client is not installed, or
    there is no such file of certificates."""
    if settings.ca_certs is not None and not Path(settings.ca_certs).is_file():
        reason = f"there is no file {settings.ca_certs}"
        raise DefinitionError([Problem("", "opensearch.ca_certs", reason)])
    try:
        access = _load(f"{_OPENSEARCH}.server:Access")
    except ModuleNotFoundError as exc:
        reason = f"this index needs a package ({exc.name}): pip install 'homeport[opensearch]'"
        raise DefinitionError([Problem("", "adapters.search_index", reason)]) from exc
    layout = _load(f"{_OPENSEARCH}.layout:Layout")
    return _load(f"{_OPENSEARCH}.search_index:OpenSearchIndex")(
        access(**settings.access(region)),
        clock,
        catalog,
        store,
        prefix=settings.prefix,
        exact_totals=settings.total_hits == "exact",
        layout=layout(catalog, language, **settings.layout()),
    )


def call(function: Callable[..., Any], *args: Any) -> Any:
    """The way slow work is done where nothing waits beside it: at once."""
    return function(*args)


def go_on() -> None:
    """The pause of what is done in one go."""


def ignore(call: str) -> None:
    """What becomes of the names of AWS's operations that are called, where nobody counts them."""


class Container(containers.DeclarativeContainer):
    """Every part, by name. Tests and entrypoints override parts, not this."""

    definition = providers.Dependency(instance_of=Definition)
    clock: providers.Provider[Clock] = _once(_late("homeport.adapters.system:SystemClock"))
    ids: providers.Provider[IdFactory] = _once(_late("homeport.adapters.system:SystemIds"))
    retry = _once(Retry)
    closing: providers.Provider[ExitStack] = _once(_closing)
    beside = providers.Object(False)
    offload = providers.Object(call)
    pause = providers.Object(go_on)
    catalog = _once(lambda one: one.catalog(), definition)
    language = providers.Callable(lambda one: one.search.language, definition)
    folder = providers.Callable(lambda one: one.data_folder, definition)
    database = _once(
        _opened,
        closing,
        _late(f"{_EMBEDDED}.database:Database"),
        folder,
        max_waiting=providers.Callable(lambda one: one.server.max_waiting_writes, definition),
        beside=beside,
    )
    aws = providers.Callable(lambda one: one.aws, definition)
    on_aws_call = providers.Object(ignore)
    clients = _once(_late(f"{_AWS}.clients:Clients"), aws.provided.region, on_call=on_aws_call)
    parked: providers.Provider[ParkedLetters] = _once(
        _late(f"{_AWS}.parked_letters:ParkedLetters"),
        clients,
        clock,
        queue=aws.provided.parked_queue,
        redriven=aws.provided.redriven_queue,
        failed_batches=aws.provided.failed_batches,
    )
    subscriber_queue: providers.Provider[SubscriberQueue] = _once(
        _late(f"{_AWS}.subscriber_queue:SubscriberQueue"),
        clients,
        retry,
        parked,
        queue=aws.provided.subscribers_queue,
    )

    record_store: providers.Provider[RecordStore] = _port(
        definition,
        closing,
        "record_store",
        memory=_once(_late(f"{_MEMORY}.record_store:MemoryRecordStore"), clock, ids),
        embedded=_once(
            _late(f"{_EMBEDDED}.record_store:EmbeddedRecordStore"), database, clock, ids
        ),
        aws=_once(
            _late(f"{_AWS}.record_store:DynamoDBRecordStore"),
            clients,
            clock,
            ids,
            catalog,
            table=aws.provided.table,
        ),
        clock=clock,
        ids=ids,
        catalog=catalog,
        data_folder=folder,
    )
    change_feed: providers.Provider[ChangeFeed] = _port(
        definition,
        closing,
        "change_feed",
        memory=_once(_late(f"{_MEMORY}.change_feed:MemoryChangeFeed"), record_store, clock, retry),
        embedded=_once(
            _late(f"{_EMBEDDED}.change_feed:EmbeddedChangeFeed"), database, clock, retry
        ),
        aws=_once(
            _late(f"{_AWS}.change_feed:DynamoDBChangeFeed"),
            clients,
            clock,
            retry,
            parked,
            table=aws.provided.table,
        ),
        store=record_store,
        clock=clock,
        retry=retry,
        data_folder=folder,
    )
    _indexes: Final[dict[str, providers.Provider[Any]]] = {
        "memory": _once(_late(f"{_MEMORY}.search_index:MemorySearchIndex")),
        "embedded": _once(
            _opened,
            closing,
            _embedded_index,
            beside,
            providers.Callable(lambda one: one.data_folder / "index", definition),
            catalog,
            language,
        ),
        "aws": _once(
            _cloudsearch,
            clients,
            clock,
            catalog,
            record_store.provider,
            search_endpoint=aws.provided.search_endpoint,
            document_endpoint=aws.provided.document_endpoint,
            language=language,
        ),
        "opensearch": _once(
            _opened,
            closing,
            _opensearch,
            providers.Callable(lambda one: one.opensearch, definition),
            aws.provided.region,
            clock,
            catalog,
            record_store.provider,
            language,
        ),
        "clock": clock,
        "catalog": catalog,
        "language": language,
        "data_folder": folder,
    }
    first_index: providers.Provider[SearchIndex] = _port(
        definition, closing, "search_index", **_indexes
    )
    shadow_index: providers.Provider[SearchIndex] = _port(
        definition,
        closing,
        "search_index",
        chosen=lambda one: one.search.shadow or one.adapters.search_index,
        **_indexes,
    )
    search_index: providers.Provider[SearchIndex] = providers.Selector(
        providers.Callable(lambda one: "both" if one.search.shadow else "one", definition),
        one=first_index,
        both=_once(_opened, closing, _shadowed, first_index, shadow_index),
    )
    push_gateway: providers.Provider[PushGateway] = _port(
        definition,
        closing,
        "push_gateway",
        memory=_once(_late(f"{_MEMORY}.push_gateway:MemoryPushGateway")),
        embedded=_once(_late(f"{_EMBEDDED}.push_gateway:EmbeddedPushGateway"), database, clock),
        aws=_once(
            _late(f"{_AWS}.push_gateway:SNSPushGateway"),
            clients,
            applications=providers.Callable(
                lambda one: one.aws.push_applications.arns(), definition
            ),
        ),
        clock=clock,
        data_folder=folder,
    )
    message_queue: providers.Provider[MessageQueue] = _port(
        definition,
        closing,
        "message_queue",
        memory=_once(_late(f"{_MEMORY}.message_queue:MemoryMessageQueue"), clock, retry),
        embedded=_once(
            _late(f"{_EMBEDDED}.message_queue:EmbeddedMessageQueue"), database, clock, retry
        ),
        aws=_once(
            _late(f"{_AWS}.message_queue:SQSMessageQueue"),
            clients,
            clock,
            retry,
            queue=aws.provided.messages_queue,
            dead_queue=aws.provided.messages_dead_queue,
        ),
        clock=clock,
        retry=retry,
        data_folder=folder,
    )
    identity_provider: providers.Provider[IdentityProvider] = _port(
        definition,
        closing,
        "identity_provider",
        memory=_once(_late(f"{_MEMORY}.identity_provider:MemoryIdentityProvider"), clock, ids),
        embedded=_once(
            _late(f"{_EMBEDDED}.identity_provider:EmbeddedIdentityProvider"),
            database,
            clock,
            ids,
            offload=offload,
        ),
        aws=_once(
            _late(f"{_AWS}.identity_provider:DynamoDBIdentityProvider"),
            clients,
            clock,
            ids,
            table=aws.provided.table,
            offload=offload,
        ),
        clock=clock,
        ids=ids,
        offload=offload,
        data_folder=folder,
    )

    schema_validator: providers.Provider[SchemaValidator] = _once(
        _late("homeport.adapters.jsonschema.schema_validator:JsonSchemaValidator")
    )

    # The validator is not built, nor its library loaded, unless there is a schema.
    schemas: providers.Provider[Schemas] = _once(
        _service("schemas:Schemas"), catalog, schema_validator.provider
    )
    records: providers.Provider[Records] = _once(
        _service("records:Records"), record_store, catalog, schemas, ids, clock
    )
    operator_records: providers.Provider[OperatorRecords] = _once(
        _service("operator_records:OperatorRecords"), record_store, catalog, schemas
    )
    indexing: providers.Provider[Indexing] = _once(
        _service("indexing:Indexing"),
        record_store,
        search_index,
        catalog,
        pace=_once(_pace, definition, clock, change_feed.provider, beside=beside),
    )
    shadow_indexing: providers.Provider[Indexing] = _once(
        _service("indexing:Indexing"),
        record_store,
        shadow_index,
        catalog,
        pace=_once(_pace, definition, clock, change_feed.provider, beside=beside),
    )
    search: providers.Provider[Search] = _once(
        _service("search:Search"), record_store, search_index, catalog, pause
    )
    devices: providers.Provider[Devices] = _once(
        _service("devices:Devices"), record_store, push_gateway, clock
    )
    blocks: providers.Provider[Blocks] = _once(_service("devices:Blocks"), record_store)
    identities: providers.Provider[Identities] = _once(
        _service("identity:Identities"), identity_provider
    )
    messages: providers.Provider[Messages] = _once(
        _service("messaging:Messages"),
        record_store,
        message_queue,
        push_gateway,
        identity_provider,
        devices,
        ids,
        clock,
    )
    health: providers.Provider[Health] = _once(_service("health:Health"), record_store, __version__)


class Backend:
    """A whole backend: its services and ports, each built when it is first asked for."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.definition: Definition = container.definition()

    @cached_property
    def records(self) -> Records:
        return self._container.records()

    @cached_property
    def operator_records(self) -> OperatorRecords:
        """For the command line; no operation leads here."""
        return self._container.operator_records()

    @cached_property
    def schemas(self) -> Schemas:
        return self._container.schemas()

    @cached_property
    def indexing(self) -> Indexing:
        return self._container.indexing()

    @cached_property
    def search(self) -> Search:
        return self._container.search()

    @cached_property
    def messages(self) -> Messages:
        return self._container.messages()

    @cached_property
    def devices(self) -> Devices:
        return self._container.devices()

    @cached_property
    def blocks(self) -> Blocks:
        return self._container.blocks()

    @cached_property
    def identities(self) -> Identities:
        return self._container.identities()

    @cached_property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """The app's own code for what changes. Raises DefinitionError where a function that the
        definition names cannot be imported or called."""
        if not self.definition.subscribers:
            return ()
        from homeport.definition.calls import subscriptions
        from homeport.domain.subscribers import Subscriber

        found = subscriptions(self.definition.subscribers, self)
        return tuple(Subscriber(one, self.store, self.feed) for one in found)

    @cached_property
    def undelivered(self) -> DeadLetters:
        """The dead letters of the queue and of every consumer. Imports nothing of the app's."""
        from homeport.domain.dead_letters import DeadLetters
        from homeport.domain.subscribers import consumer_of

        own = (consumer_of(one.name) for one in self.definition.subscribers)
        known = getattr(self.feed, "consumers", None)
        others = () if known is None else known()
        return DeadLetters(self.feed, self.queue, (*CONSUMERS, *own), others)

    @cached_property
    def health(self) -> Health:
        return self._container.health()

    @cached_property
    def clock(self) -> Clock:
        return self._container.clock()

    @cached_property
    def store(self) -> RecordStore:
        return self._container.record_store()

    @cached_property
    def feed(self) -> ChangeFeed:
        return self._container.change_feed()

    @cached_property
    def index(self) -> SearchIndex:
        return self._container.search_index()

    @cached_property
    def shadow(self) -> SearchIndex | None:
        """The index beside the one that answers, where the definition names one."""
        return self._container.shadow_index() if self.definition.search.shadow else None

    @cached_property
    def shadow_indexing(self) -> Indexing:
        """What rebuilds and verifies the shadow by itself."""
        return self._container.shadow_indexing()

    @cached_property
    def push(self) -> PushGateway:
        return self._container.push_gateway()

    @cached_property
    def queue(self) -> MessageQueue:
        return self._container.message_queue()

    @cached_property
    def identity_provider(self) -> IdentityProvider:
        return self._container.identity_provider()

    def client(self, service: str, endpoint: str | None = None) -> object:
        """A client of AWS, made now where there is none yet; for functions on AWS alone."""
        return self._container.clients().get(service, endpoint)

    @cached_property
    def parked(self) -> ParkedLetters:
        """Where functions on AWS park what can never be done; for the AWS adapters alone."""
        return self._container.parked()

    @cached_property
    def subscriber_queue(self) -> SubscriberQueue:
        """The way from the stream to an app's own functions on AWS."""
        return self._container.subscriber_queue()

    @cached_property
    def database(self) -> Any:
        """The embedded adapters' database; None where no port is served by one."""
        adapters = self.definition.adapters
        served = (
            adapters.record_store,
            adapters.message_queue,
            adapters.push_gateway,
            adapters.identity_provider,
        )
        used = any(one.use == "embedded" for one in served)
        return self._container.database() if used else None

    def check(self) -> None:
        """Open the index and compile the schemas. Raises DefinitionError for an index that lacks
        what a declared field needs, and for a schema that cannot be used: sooner than the first
        search or write that would."""
        from homeport.domain.ports.search_index import Capability

        needs = {FieldRole.GEO: Capability.GEO}
        able = self.index.capabilities
        use = self.definition.adapters.search_index.use
        problems = []
        for collection in self.definition.catalog().declared():
            for path, field in collection.fields.items():
                needed = needs.get(field.role)
                if needed is not None and needed not in able:
                    key = dotted(("collections", collection.name, "fields", path))
                    reason = (
                        f"the role {field.role} needs an index with the capability {needed}, "
                        f'which "{use}" has not. Give the field another role, or set '
                        "adapters.search_index to one that has it."
                    )
                    problems.append(Problem("", key, reason))
        for name in self.schemas.declared():
            key = dotted(("collections", name, "schema"))
            try:
                self.schemas.of(name)
            except Invalid as exc:
                problems += [
                    Problem("", key, ": ".join(filter(None, (one.pointer, one.detail))))
                    for one in exc.faults or (Fault("", exc.detail),)
                ]
            except ModuleNotFoundError as exc:
                problems.append(Problem("", key, str(exc)))
        if problems:
            raise DefinitionError(problems)

    def close(self) -> None:
        """Let go of files. Whatever was acknowledged is durable already."""
        self._container.closing().close()


def assemble(definition: Definition, **overrides: Any) -> Container:
    """The parts of a backend as `definition` describes it. `overrides` replace parts by name:
    `clock`, `ids`, `retry`, `offload`, `pause`, `on_aws_call`, or a port's adapter. With `beside`
    set to True another process has the data folder (see Database)."""
    container = Container(definition=definition)
    for name, part in overrides.items():
        getattr(container, name).override(providers.Object(part))
    return container


def build(definition: Definition, **overrides: Any) -> Backend:
    """A backend as `definition` describes it, with `overrides` as `assemble` takes them."""
    return Backend(assemble(definition, **overrides))
