"""How a part comes to be: late, once, closed at the end, and of the adapter that was chosen."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dependency_injector import providers

from homeport.definition import Adapter, Definition, DefinitionError, Problem

if TYPE_CHECKING:
    from homeport.definition.opensearch import OpenSearchSettings
    from homeport.domain.model.collection import Catalog
    from homeport.domain.ports.change_feed import ChangeFeed
    from homeport.domain.ports.clock import Clock
    from homeport.domain.ports.record_store import RecordStore
    from homeport.domain.ports.search_index import SearchIndex

MEMORY: Final = "homeport.adapters.memory"
EMBEDDED: Final = "homeport.adapters.embedded"
AWS: Final = "homeport.adapters.aws"
OPENSEARCH: Final = "homeport.adapters.opensearch"
_ASSUMED_LAG: Final = 30.0
"""Seconds that a change may take into the index, where the feed does not measure it."""


def load_object(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def late(path: str) -> Callable[..., Any]:
    """`package.module:Class`, imported when it is called."""

    def build(*args: Any, **kwargs: Any) -> Any:
        return load_object(path)(*args, **kwargs)

    return build


def service(path: str) -> Callable[..., Any]:
    return late(f"homeport.domain.{path}")


# The gateway's pumps and requests ask from several threads.
once: Final = providers.ThreadSafeSingleton


def closing_stack() -> ExitStack:
    return ExitStack()


def opened(closing: ExitStack, build: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `build` makes; where it has a `close`, that is called when the backend is closed."""
    part = build(*args, **kwargs)
    close = getattr(part, "close", None)
    if close is not None:
        closing.callback(close)
    return part


def argument_of(adapter: Adapter) -> str:
    """The name of the argument of `port_of` that makes this adapter."""
    if not adapter.built_in:
        return "own"
    return adapter.use if adapter.use in ("memory", "embedded", "opensearch") else "aws"


def port_of(
    definition: providers.Provider[Definition],
    closing: providers.Provider[ExitStack],
    port: str,
    key: str = "",
    /,
    *,
    memory: providers.Provider[Any],
    embedded: providers.Provider[Any],
    aws: providers.Provider[Any],
    opensearch: providers.Provider[Any] | None = None,
    chosen: Callable[[Definition], Adapter | None] | None = None,
    **parts: providers.Provider[Any],
) -> Any:
    """A port's adapter as the definition chooses it, where `key` names it; `parts` are what one's
    own may ask for."""
    choice = chosen or (lambda one: getattr(one.adapters, port))
    adapter = providers.Callable(choice, definition)
    return providers.Selector(
        providers.Callable(argument_of, adapter),
        memory=memory,
        embedded=embedded,
        aws=aws,
        opensearch=opensearch or aws,
        own=once(
            opened,
            closing,
            late("homeport.container.own_adapters:made"),
            port,
            key or f"adapters.{port}",
            adapter,
            **parts,
        ),
    )


class Place(Enum):
    """Where a backend stands to its data folder."""

    OWNER = "owner"
    """It has the folder, and locks it for its process."""
    LOOKING = "looking"
    """It has the folder, and only looks at the search index."""
    BESIDE = "beside"
    """Another process has it: a command reads and writes beside that one."""
    WORKER = "worker"
    """The owner's own helper: it writes by turns with it, and to the index by its leave."""


def embedded_database(place: Place, definition: Definition) -> Any:
    return load_object(f"{EMBEDDED}.database:Database")(
        definition.data_folder,
        definition.server.max_waiting_writes,
        beside=place in {Place.BESIDE, Place.WORKER},
        holds_records=definition.adapters.record_store.use == "embedded",
    )


def embedded_index(place: Place, clock: Clock, pause: Callable[[], None], *parts: Any) -> Any:
    """The index of a data folder; where another process has that, to look at."""
    if place is Place.LOOKING:
        return load_object(f"{EMBEDDED}.search_look:EmbeddedIndexToLookAt")(*parts)
    if place is Place.OWNER:
        return load_object(f"{EMBEDDED}.search_index:EmbeddedSearchIndex")(*parts, clock, pause)
    beside = load_object(f"{EMBEDDED}.search_beside:EmbeddedIndexBeside")
    return beside(*parts, clock, pause) if place is Place.WORKER else beside(*parts)


def shadowed(first: SearchIndex, second: SearchIndex) -> Any:
    """An index over two. The log says each time that they differ, and shows nothing of users'."""
    from homeport.domain.index_shadow import Comparison, Sample, ShadowedIndex

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

    both = ShadowedIndex(first, second, tell, Comparison(time.perf_counter))
    return both


def pace(definition: Definition, clock: Clock, feed: Callable[[], ChangeFeed], place: Place) -> Any:
    """How time passes while the index is rebuilt or verified. Where the records are this
    process's alone, nothing is indexed by waiting for it."""
    from homeport.domain.index_records import Pace

    def lag() -> float:
        measure: Callable[[str], float] | None = getattr(feed(), "lag", None)
        return _ASSUMED_LAG if measure is None else measure("indexing")

    adapter = definition.adapters.record_store
    alone = place in (Place.OWNER, Place.LOOKING) and argument_of(adapter) in ("memory", "embedded")
    return Pace(clock, time.sleep, None if alone else lag)


def cloudsearch(*parts: Any, language: str, **endpoints: str | None) -> Any:
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
    return load_object(f"{AWS}.search_index:CloudSearchIndex")(
        *parts, language=language, **endpoints
    )


def opensearch(
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
    if find_spec("opensearchpy") is None:
        reason = "this index needs a package: pip install 'homeport[opensearch]'"
        raise DefinitionError([Problem("", "adapters.search_index", reason)])
    access = load_object(f"{OPENSEARCH}.server:Access")
    layout = load_object(f"{OPENSEARCH}.layout:Layout")
    return load_object(f"{OPENSEARCH}.search_index:OpenSearchIndex")(
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


def ignore(call: str) -> None:
    """What becomes of the names of AWS's operations that are called, where nobody counts them."""
