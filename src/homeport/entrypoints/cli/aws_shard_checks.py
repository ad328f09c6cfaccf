"""What `homeport doctor` finds of how near the table is to what one partition can: its size and
its rate, each told from 70 % on. Nothing is changed.

The whole table is looked at first, which is cheap: while it is below 70 % of what one partition
can, so is each of them. Above it, what is known of each partition is what `homeport shards
--sizes` has counted, and what CloudWatch Contributor Insights tells. Where that is not known it is
said: nothing here is ever a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws import table_load, table_sizes
from homeport.adapters.aws.table_calls import Table
from homeport.definition import Definition
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.aws_checks import refused, told
from homeport.entrypoints.cli.checks import Finding, ok, warning
from homeport.entrypoints.cli.shards import gigabytes, percent, placed

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients
    from homeport.adapters.aws.errors import VendorError
    from homeport.adapters.aws.table_load import Load

_WAY_OUT: Final = (
    "export it, and import it into a new collection with more `shards`, or into a new table, "
    "which has none of the accounts, devices and messages on their way"
)
_COUNT: Final = "Run: homeport shards --sizes"
_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def room(clients: Clients, found: Definition) -> Iterator[Finding]:
    """How far the table's partitions are from their limits."""
    name = found.aws.table
    try:
        there: Any = clients.get("dynamodb").describe_table(TableName=name)["Table"]
    except (ClientError, BotoCoreError):
        return  # which the look at the table has told
    yield from _size(clients, name, there)
    yield from _rate(clients, name, there)


# Size


def _size(clients: Clients, name: str, there: Mapping[str, Any]) -> Iterator[Finding]:
    limit, whole = gigabytes(table_sizes.LIMIT), table_sizes.whole(there)
    if whole < table_sizes.WARN_AT * table_sizes.LIMIT:
        detail = f"{gigabytes(whole)} in all, as of hours ago: no partition is near its {limit}"
        yield ok("size", detail)
        return
    try:
        counted = table_sizes.noted(Table(clients, name))
    except HomeportError as error:
        yield _untold("size", told("size", error))
        return
    if counted is None:
        detail = (
            f"Cannot tell whether a partition is near its {limit}: {name} has "
            f"{gigabytes(whole)} in all, and nobody has counted them."
        )
        yield warning("size", detail, _COUNT)
        return
    largest = counted.largest
    when = f"{datetime.fromtimestamp(counted.as_of / 1_000_000, UTC):%Y-%m-%d}"
    has = f"has {gigabytes(largest.bytes)} of {limit} ({percent(largest.share)})"
    then = f"{placed(largest.partition)} {has}, as counted on {when}"
    if largest.share >= table_sizes.WARN_AT:
        of = f"most of it is the collection {largest.collection}: " if largest.collection else ""
        yield warning("size", _sentence(then), _sentence(f"{of}{_WAY_OUT}"))
        return
    grown = counted.grown(whole, int(datetime.now(UTC).timestamp() * 1_000_000))
    if grown is None:
        smaller = whole < counted.table_bytes
        old = f"that was more than {table_sizes.GOOD_FOR} days ago"
        why = "the table has become smaller since" if smaller else old
        detail = f"Cannot tell: {then}, and {why}: it may have grown by any amount."
        yield warning("size", detail, _COUNT)
    elif largest.bytes + grown >= table_sizes.WARN_AT * table_sizes.LIMIT:
        detail = f"Cannot tell: {then}, and the table has grown by {gigabytes(grown)} since."
        yield warning("size", detail, _COUNT)
    else:
        yield ok("size", f"the largest partition: {then}")


# Rate


def _rate(clients: Clients, name: str, there: Mapping[str, Any]) -> Iterator[Finding]:
    if not _watched(clients):
        detail = "Cannot tell: the table stands at an endpoint that CloudWatch does not watch."
        cure = "Look at that endpoint's own figures, or set AWS_ENDPOINT_URL for CloudWatch too."
        yield warning("rate", detail, cure)
        return
    now = datetime.now(UTC)
    try:
        load = table_load.load(clients, name, now)
    except (ClientError, BotoCoreError) as error:
        yield _unknown(error, "asking CloudWatch for the table's load")
        return
    findings = [*_refusals(load), *_own_limits(load, there)]
    yield from findings
    if load.share >= table_load.WARN_AT:
        yield from _partitions(clients, name, load, now)
    elif not findings:
        share = f", {percent(load.share)} of what one partition takes" if load.units else ""
        yield ok("rate", f"{_busiest(load)}{share}")


def _refusals(load: Load) -> Iterator[Finding]:
    if load.hot:
        detail = f"{load.hot:,} requests of the last day were too many for one partition."
        cure = f"where one collection of a space is so busy: {_WAY_OUT}"
        yield warning("rate", detail, _sentence(cure))
    others = load.refused - load.hot
    if others:
        detail = f"{others:,} requests of the last day were too many for the table, or the account."
        yield warning("rate", detail, "Raise the table's own limits, or have AWS raise its quotas.")


def _own_limits(load: Load, there: Mapping[str, Any]) -> Iterator[Finding]:
    writes, reads = table_load.own_limits(there)
    for kind, taken, limit in (("write", load.writes, writes), ("read", load.reads, reads)):
        if limit is not None and taken >= table_load.WARN_AT * limit:
            detail = (
                f"The table took {taken:,.0f} {kind} units a second in the busiest minute of the "
                f"last day, {percent(taken / limit)} of the {limit:,.0f} that it is bounded to."
            )
            yield warning("rate", detail, "Raise what it is bounded to, or pay it by request.")


def _partitions(clients: Clients, name: str, load: Load, now: datetime) -> Iterator[Finding]:
    try:
        keys = table_load.hottest(clients, name, now)
    except (ClientError, BotoCoreError) as error:
        yield _unknown(error, "asking Contributor Insights for the busiest partitions")
        return
    if not keys:
        detail = f"Cannot tell whether one partition took most of it: {_busiest(load)}."
        cure = (
            "Switch CloudWatch Contributor Insights on for the table, for accessed keys, and look "
            "again tomorrow."
        )
        yield warning("rate", detail, cure)
        return
    hot = [key for key in keys if key.share >= table_load.WARN_AT]
    for key in hot:
        detail = (
            f"{placed(key.partition)} took {percent(key.share)} of what a partition takes, in its "
            "busiest minute of the last day"
        )
        cure = f"where one collection of the space is so busy: {_WAY_OUT}"
        yield warning("rate", _sentence(detail), _sentence(cure))
    if not hot:
        share = percent(keys[0].share)
        detail = f"the busiest partition: {placed(keys[0].partition)} took {share} of what it takes"
        yield ok("rate", f"{detail}; {_busiest(load)}")


def _busiest(load: Load) -> str:
    if not load.units:
        return "no load in the last day, as far as CloudWatch tells"
    return (
        f"at most {load.writes:,.0f} write and {load.reads:,.0f} read units a second in a minute "
        "of the last day"
    )


def _watched(clients: Clients) -> bool:
    """Whether what tells of the load is at the same place as the table: AWS, or an emulator."""
    at = (clients.get("dynamodb").meta.endpoint_url, clients.get("cloudwatch").meta.endpoint_url)
    hosts = [urlsplit(one).hostname or "" for one in at]
    return hosts[0] == hosts[1] or all(one.endswith(_AWS) for one in hosts)


# How it is said


def _unknown(error: VendorError, doing: str) -> Finding:
    return _untold("rate", refused("rate", error, doing))


def _untold(name: str, found: Finding) -> Finding:
    return warning(name, f"Cannot tell: {found.detail}", found.cure)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
