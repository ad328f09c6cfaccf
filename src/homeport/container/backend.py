"""A whole backend, as whoever uses it sees it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from homeport.definition import Definition, DefinitionError, Problem, dotted
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.collection import FieldRole

if TYPE_CHECKING:
    from homeport.adapters.aws.parked_letters import ParkedLetters
    from homeport.adapters.aws.subscriber_queue import SubscriberQueue
    from homeport.container.parts import Container
    from homeport.domain.dead_letters import DeadLetters
    from homeport.domain.devices import Blocks, Devices
    from homeport.domain.health import Health
    from homeport.domain.identity import Identities
    from homeport.domain.indexing import Indexing
    from homeport.domain.messaging import Messages
    from homeport.domain.operator_records import OperatorRecords
    from homeport.domain.ports.change_feed import ChangeFeed
    from homeport.domain.ports.clock import Clock
    from homeport.domain.ports.identity_provider import IdentityProvider
    from homeport.domain.ports.message_queue import MessageQueue
    from homeport.domain.ports.push_gateway import PushGateway
    from homeport.domain.ports.record_store import RecordStore
    from homeport.domain.ports.search_index import SearchIndex
    from homeport.domain.records import Records
    from homeport.domain.schemas import Schemas
    from homeport.domain.search import Search
    from homeport.domain.subscribers import Subscriber

CONSUMERS: Final = ("indexing", "messaging")
"""The backend's own consumers of the change feed."""


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
