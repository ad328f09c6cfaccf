"""What `homeport doctor` finds of the CloudSearch domain. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from homeport.adapters.aws.search_errors import DOCUMENT_SETTING, SEARCH_SETTING
from homeport.definition import Definition
from homeport.definition.aws import AwsSettings
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.aws_checks import told, unseen
from homeport.entrypoints.cli.checks import Finding, fault, ok, warning

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients
    from homeport.adapters.aws.search_fields import IndexField

_NEEDED: Final = "Configure Homeport's index fields, and let the domain index its documents."


def settings(aws: AwsSettings) -> Iterator[Finding]:
    """Whether the domain's two endpoints are set."""
    for setting, value in ((SEARCH_SETTING, aws.search_endpoint), _document(aws)):
        if value is None:
            cure = f"Set {setting} to the domain's; it has one once the domain is active."
            yield fault("search", f"{setting} is not set.", cure)


def is_set(aws: AwsSettings) -> bool:
    return aws.search_endpoint is not None and aws.document_endpoint is not None


def answers(clients: Clients, found: Definition) -> Iterator[Finding]:
    """Whether both endpoints answer what the backend asks of them."""
    from homeport.container import build

    index: Any = build(found, clients=clients).index
    try:
        index.check()
    except HomeportError as error:
        yield told("search", error)
    else:
        yield ok("search", "both endpoints answer")


def domain(clients: Clients, found: Definition) -> Iterator[Finding]:
    """Whether the domain is ready, and has the fields that the index needs."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = clients.get("cloudsearch")
    try:
        domains = client.describe_domains()["DomainStatusList"]
        state = next((one for one in domains if _is_at(one, found.aws)), None)
        if state is None:
            detail = f"No domain of this account and region has what {SEARCH_SETTING} names."
            yield fault("domain", detail, f"Correct {SEARCH_SETTING}, or aws.region.")
            return
        name = state["DomainName"]
        described = client.describe_index_fields(DomainName=name, Deployed=True)
    except (ClientError, BotoCoreError) as error:
        yield unseen("domain", error, "looking at the CloudSearch domain", SEARCH_SETTING)
        return
    faults = [*_state(name, state), *_fields(described["IndexFields"], found.search.language)]
    yield from faults
    if not faults:
        yield ok("domain", f"{name} is active, with all index fields")


def _document(aws: AwsSettings) -> tuple[str, str | None]:
    return DOCUMENT_SETTING, aws.document_endpoint


def _is_at(state: Mapping[str, Any], aws: AwsSettings) -> bool:
    endpoint = state.get("SearchService", {}).get("Endpoint")
    return bool(endpoint) and endpoint == (aws.search_endpoint or "").rpartition("://")[2]


def _state(name: str, state: Mapping[str, Any]) -> Iterator[Finding]:
    if state.get("Processing"):
        detail = f"The domain {name} is still processing: what was changed last is not in effect."
        yield warning("domain", detail, "Wait until it is active, which takes ten minutes or so.")
    if state.get("RequiresIndexDocuments"):
        detail = f"The domain {name} has settings that are not in effect."
        yield fault("domain", detail, "Let the domain index its documents (IndexDocuments).")


def _fields(described: list[Any], language: str) -> Iterator[Finding]:
    from homeport.adapters.aws.search_fields import index_fields

    held = {one["Options"]["IndexFieldName"]: one["Options"] for one in described}
    fields = index_fields(language)
    missing = [one.name for one in fields if one.name not in held]
    if missing:
        detail = f"The domain has no index field {', '.join(missing)}."
        yield fault("domain", detail, _NEEDED)
    for one in fields:
        lacks = lacking(one, held[one.name]) if one.name in held else []
        if lacks:
            detail = f"The domain's index field {one.name} is not as needed: {', '.join(lacks)}."
            yield fault("domain", detail, _NEEDED)


def lacking(field: IndexField, held: Mapping[str, Any]) -> list[str]:
    """What a field does not have of what it needs; that it has more does no harm."""
    wanted = field.definition()
    if held["IndexFieldType"] != wanted["IndexFieldType"]:
        return [f"it is of the type {held['IndexFieldType']}, not {wanted['IndexFieldType']}"]
    (group,) = (name for name in wanted if name.endswith("Options"))
    has = held.get(group, {})
    return [
        f"{option} is {has.get(option)}, not {value}"
        for option, value in wanted[group].items()
        if value is not False and has.get(option) != value
    ]
