"""Every part of a backend by its name, and who gets what."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from dependency_injector import containers, providers

from homeport import __version__
from homeport.container.choosing import (
    AWS,
    EMBEDDED,
    MEMORY,
    Place,
    call,
    closing_stack,
    cloudsearch,
    embedded_database,
    embedded_index,
    ignore,
    late,
    once,
    opened,
    opensearch,
    pace,
    port_of,
    service,
    shadowed,
)
from homeport.definition import Definition
from homeport.domain.pauses import go_on
from homeport.domain.ports.deliveries import Retry

if TYPE_CHECKING:
    from homeport.adapters.aws.parked_letters import ParkedLetters
    from homeport.adapters.aws.subscriber_queue import SubscriberQueue
    from homeport.domain.devices import Blocks, Devices
    from homeport.domain.health import Health
    from homeport.domain.identity import Identities
    from homeport.domain.indexing import Indexing
    from homeport.domain.messaging import Messages
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


class Container(containers.DeclarativeContainer):
    """Every part, by name. Tests and entrypoints override parts, not this."""

    definition = providers.Dependency(instance_of=Definition)
    clock: providers.Provider[Clock] = once(late("homeport.adapters.system:SystemClock"))
    ids: providers.Provider[IdFactory] = once(late("homeport.adapters.system:SystemIds"))
    retry = once(Retry)
    closing: providers.Provider[ExitStack] = once(closing_stack)
    place = providers.Object(Place.OWNER)
    offload = providers.Object(call)
    pause = providers.Object(go_on)
    catalog = once(lambda one: one.catalog(), definition)
    language = providers.Callable(lambda one: one.search.language, definition)
    folder = providers.Callable(lambda one: one.data_folder, definition)
    database = once(opened, closing, embedded_database, place, definition)
    aws = providers.Callable(lambda one: one.aws, definition)
    on_aws_call = providers.Object(ignore)
    clients = once(late(f"{AWS}.clients:Clients"), aws.provided.region, on_call=on_aws_call)
    parked: providers.Provider[ParkedLetters] = once(
        late(f"{AWS}.parked_letters:ParkedLetters"),
        clients,
        clock,
        queue=aws.provided.parked_queue,
        redriven=aws.provided.redriven_queue,
        failed_batches=aws.provided.failed_batches,
    )
    subscriber_queue: providers.Provider[SubscriberQueue] = once(
        late(f"{AWS}.subscriber_queue:SubscriberQueue"),
        clients,
        retry,
        parked,
        queue=aws.provided.subscribers_queue,
    )

    record_store: providers.Provider[RecordStore] = port_of(
        definition,
        closing,
        "record_store",
        memory=once(late(f"{MEMORY}.record_store:MemoryRecordStore"), clock, ids),
        embedded=once(late(f"{EMBEDDED}.record_store:EmbeddedRecordStore"), database, clock, ids),
        aws=once(
            late(f"{AWS}.record_store:DynamoDBRecordStore"),
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
    change_feed: providers.Provider[ChangeFeed] = port_of(
        definition,
        closing,
        "change_feed",
        memory=once(late(f"{MEMORY}.change_feed:MemoryChangeFeed"), record_store, clock, retry),
        embedded=once(late(f"{EMBEDDED}.change_feed:EmbeddedChangeFeed"), database, clock, retry),
        aws=once(
            late(f"{AWS}.change_feed:DynamoDBChangeFeed"),
            clients,
            clock,
            retry,
            parked,
            record_store,
            table=aws.provided.table,
        ),
        store=record_store,
        clock=clock,
        retry=retry,
        data_folder=folder,
    )
    _indexes: Final[dict[str, providers.Provider[Any]]] = {
        "memory": once(late(f"{MEMORY}.search_index:MemorySearchIndex")),
        "embedded": once(
            opened,
            closing,
            embedded_index,
            place,
            clock,
            pause,
            providers.Callable(lambda one: one.data_folder / "index", definition),
            catalog,
            language,
        ),
        "aws": once(
            cloudsearch,
            clients,
            clock,
            catalog,
            record_store.provider,
            search_endpoint=aws.provided.search_endpoint,
            document_endpoint=aws.provided.document_endpoint,
            language=language,
        ),
        "opensearch": once(
            opened,
            closing,
            opensearch,
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
    first_index: providers.Provider[SearchIndex] = port_of(
        definition, closing, "search_index", **_indexes
    )
    shadow_index: providers.Provider[SearchIndex] = port_of(
        definition,
        closing,
        "search_index",
        "search.shadow",
        chosen=lambda one: one.search.shadow or one.adapters.search_index,
        **_indexes,
    )
    search_index: providers.Provider[SearchIndex] = providers.Selector(
        providers.Callable(lambda one: "both" if one.search.shadow else "one", definition),
        one=first_index,
        both=once(opened, closing, shadowed, first_index, shadow_index),
    )
    push_gateway: providers.Provider[PushGateway] = port_of(
        definition,
        closing,
        "push_gateway",
        memory=once(late(f"{MEMORY}.push_gateway:MemoryPushGateway")),
        embedded=once(late(f"{EMBEDDED}.push_gateway:EmbeddedPushGateway"), database, clock),
        aws=once(
            late(f"{AWS}.push_gateway:SNSPushGateway"),
            clients,
            applications=providers.Callable(
                lambda one: one.aws.push_applications.arns(), definition
            ),
        ),
        clock=clock,
        data_folder=folder,
    )
    message_queue: providers.Provider[MessageQueue] = port_of(
        definition,
        closing,
        "message_queue",
        memory=once(late(f"{MEMORY}.message_queue:MemoryMessageQueue"), clock, retry),
        embedded=once(
            late(f"{EMBEDDED}.message_queue:EmbeddedMessageQueue"), database, clock, retry
        ),
        aws=once(
            late(f"{AWS}.message_queue:SQSMessageQueue"),
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
    identity_provider: providers.Provider[IdentityProvider] = port_of(
        definition,
        closing,
        "identity_provider",
        memory=once(late(f"{MEMORY}.identity_provider:MemoryIdentityProvider"), clock, ids),
        embedded=once(
            late(f"{EMBEDDED}.identity_provider:EmbeddedIdentityProvider"),
            database,
            clock,
            ids,
            offload=offload,
        ),
        aws=once(
            late(f"{AWS}.identity_provider:DynamoDBIdentityProvider"),
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

    schema_validator: providers.Provider[SchemaValidator] = once(
        late("homeport.adapters.jsonschema.schema_validator:JsonSchemaValidator")
    )

    # The validator is not built, nor its library loaded, unless there is a schema.
    schemas: providers.Provider[Schemas] = once(
        service("schemas:Schemas"), catalog, schema_validator.provider
    )
    records: providers.Provider[Records] = once(
        service("records:Records"), record_store, catalog, schemas, ids, clock
    )
    operator_records: providers.Provider[OperatorRecords] = once(
        service("operator_records:OperatorRecords"), record_store, catalog, schemas
    )
    indexing: providers.Provider[Indexing] = once(
        service("indexing:Indexing"),
        record_store,
        search_index,
        catalog,
        pace=once(pace, definition, clock, change_feed.provider, place),
        pause=pause,
    )
    shadow_indexing: providers.Provider[Indexing] = once(
        service("indexing:Indexing"),
        record_store,
        shadow_index,
        catalog,
        pace=once(pace, definition, clock, change_feed.provider, place),
    )
    search: providers.Provider[Search] = once(
        service("search:Search"), record_store, search_index, catalog, pause
    )
    devices: providers.Provider[Devices] = once(
        service("devices:Devices"), record_store, push_gateway, clock
    )
    blocks: providers.Provider[Blocks] = once(service("devices:Blocks"), record_store)
    identities: providers.Provider[Identities] = once(
        service("identity:Identities"), identity_provider
    )
    messages: providers.Provider[Messages] = once(
        service("messaging:Messages"),
        record_store,
        message_queue,
        push_gateway,
        identity_provider,
        devices,
        ids,
        clock,
        pause,
    )
    health: providers.Provider[Health] = once(service("health:Health"), record_store, __version__)
