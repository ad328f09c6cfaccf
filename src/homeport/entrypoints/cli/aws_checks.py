"""What `homeport doctor` finds of what the AWS adapters need. Nothing is changed.

Each look is the operator's: where AWS does not permit it, that is a warning, since the backend
itself may do without. What the backend asks for itself is tried as well, and has to work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TypeAlias

from homeport.definition import Adapters, Definition
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.checks import Finding, fault, ok, packages, warning

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients
    from homeport.adapters.aws.errors import VendorError

Look: TypeAlias = Callable[[], Iterable[Finding]]

AWS: Final = frozenset({"dynamodb", "cloudsearch", "sns", "sqs"})
"""The names of the adapters that AWS serves."""
_TABLE_PORTS: Final = ("record_store", "change_feed", "identity_provider")


def uses(found: Definition) -> dict[str, str]:
    """The ports that AWS adapters serve, with the adapter's name."""
    chosen = {port: getattr(found.adapters, port).use for port in Adapters.names()}
    return {port: use for port, use in chosen.items() if use in AWS}


def looks(found: Definition) -> Iterator[tuple[str, Look]]:
    """Every look for these settings, by the check's name. Call each before asking for the next:
    where there is no way to AWS at all, the rest would only say so once more."""
    used = uses(found)
    if not used:
        return
    yield "packages", lambda: packages("aws")
    if find_spec("boto3") is None:
        return
    from homeport.adapters.aws.clients import Clients
    from homeport.entrypoints.cli import (
        aws_push_checks,
        aws_queue_checks,
        aws_search_checks,
        aws_shard_checks,
        aws_table_checks,
    )

    clients = Clients(found.aws.region)
    account = Account(clients)
    yield "account", account.look
    if "search_index" in used:
        yield "search", lambda: aws_search_checks.settings(found.aws)
    if not account.usable:
        return
    if any(port in used for port in _TABLE_PORTS):
        streamed = "change_feed" in used
        yield "table", lambda: aws_table_checks.table(clients, found, streamed=streamed)
    if "record_store" in used:
        yield "shards", lambda: aws_table_checks.shards(clients, found)
        yield "room", lambda: aws_shard_checks.room(clients, found)
    for queue in aws_queue_checks.wanted(found, used):
        yield "queue", lambda queue=queue: aws_queue_checks.queue(clients, queue)  # type: ignore[misc]  # its type is the default's
    if "change_feed" in used and found.aws.failed_batches:
        yield "failed batches", lambda: aws_queue_checks.failed_batches(clients, found.aws)
    if "push_gateway" in used:
        yield "push", lambda: aws_push_checks.applications(clients, found.aws)
    if "search_index" in used and aws_search_checks.is_set(found.aws):
        yield "search", lambda: aws_search_checks.answers(clients, found)
        yield "search", lambda: aws_search_checks.domain(clients, found)


class Account:
    """Who asks AWS, and where. `usable` says after the look whether asking more makes sense."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.usable = False

    def look(self) -> Iterator[Finding]:
        from botocore.exceptions import BotoCoreError, ClientError

        from homeport.adapters.aws.errors import is_unknown_caller

        try:
            self._clients.get("dynamodb")  # which, unlike the next, is nowhere without a region
            sts = self._clients.get("sts")
        except HomeportError as error:
            yield told("account", error)
            return
        except BotoCoreError as error:  # a profile that is not there, a broken file
            yield refused("account", error, "asking who this is")
            return
        try:
            caller = sts.get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            # An emulator may have no such service, and a network may not lead there.
            self.usable = not is_unknown_caller(error)
            yield refused("account", error, "asking who this is")
            return
        self.usable = True
        who = caller["Arn"].rpartition(":")[2]
        yield ok("account", f"{caller['Account']}, as {who}, in {sts.meta.region_name}")


def told(name: str, error: HomeportError) -> Finding:
    """A fault from one of our own sentences, which end with what to do after a colon."""
    what, colon, cure = error.detail.rstrip(".").partition(": ")
    if not colon:
        what, _, cure = what.partition("; ")
    cure = cure or "see the other lines here, and try again"
    return fault(name, f"{what}.", f"{cure[0].upper()}{cure[1:]}.")


def refused(name: str, error: VendorError, doing: str, setting: str = "") -> Finding:
    """A fault from what AWS refuses."""
    from homeport.adapters.aws.errors import translated

    return told(name, translated(error, doing, setting=setting))


def unseen(name: str, error: VendorError, doing: str, setting: str = "") -> Finding:
    """What a look that the backend can do without has come to: a warning where AWS does not
    permit it, a fault else."""
    from homeport.adapters.aws.errors import is_not_permitted

    found = refused(name, error, doing, setting)
    return warning(name, found.detail, found.cure) if is_not_permitted(error) else found
