"""One attempt at a batch of SQS messages, and what is to become of each: the same for a process
that receives them itself and for a function that Lambda hands them to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homeport.adapters.aws.sqs_queue import Received
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery, Work

_NEVER_ENDED: Final = (
    "The process ended during the last attempt, or there was none: SQS counts also what it hands "
    "to a function that Lambda throttles."
)


class Dead(NamedTuple):
    """What has had all its attempts."""

    message: Received
    cause: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """`handed` is how many `work` got; `again` says in how many seconds each is due again."""

    handed: int
    done: list[Received] = field(default_factory=list)
    again: list[tuple[Received, int]] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)


def attempt(messages: Sequence[Received], work: Work, retry: Retry) -> Outcome:
    """Hand the messages to `work`, but for those that have had all their attempts.

    SQS counts what it hands out, so that an attempt which ended the process counts too, for the
    whole batch it was one of; so does, in vain, one for which Lambda had no room. In a queue that
    keeps an order, what stands behind a failed one of its group waits with it: it comes once more
    even if it succeeded.
    """
    fresh = [one for one in messages if one.receives <= retry.attempts]
    outcome = Outcome(len(fresh))
    outcome.dead.extend(
        Dead(one, _NEVER_ENDED, retry.attempts) for one in messages if one.receives > retry.attempts
    )
    failed = _failures(fresh, work) if fresh else {}
    held_up: set[str] = set()
    for one in fresh:
        cause = failed.get(one.id)
        if one.group in held_up:
            outcome.again.append((one, 0))  # SQS holds it back as long as the failed one
        elif cause is None:
            outcome.done.append(one)
        elif one.receives < retry.attempts:
            # In whole seconds: rather late than early.
            outcome.again.append((one, math.ceil(retry.wait(one.receives))))
            if one.group:
                held_up.add(one.group)
        else:
            outcome.dead.append(Dead(one, cause, one.receives))
    return outcome


def _failures(messages: Sequence[Received], work: Work) -> Mapping[str, str]:
    try:
        return work([Delivery(one.id, one.body, one.receives) for one in messages])
    except Exception as exc:  # noqa: BLE001 - whatever it is, the batch is tried again
        return dict.fromkeys((one.id for one in messages), f"{type(exc).__name__}: {exc}")
