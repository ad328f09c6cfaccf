"""What the identity provider keeps on DynamoDB, what that costs, and how it bears AWS's faults."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.identity_items import digest
from homeport.adapters.aws.identity_provider import DynamoDBIdentityProvider
from homeport.adapters.credentials import passwords
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemIds
from homeport.domain import identity as rules
from homeport.domain.errors import OutcomeUnknown, Overloaded, Unauthenticated, Unavailable
from homeport.testing.identity_support import DAY, MINUTE, PASSWORD
from tests.aws.identities import cheap_hashes, counted, hooked, lost_answers
from tests.aws.resources import create_table

LOGIN = "somebody@example.org"

__all__ = ["cheap_hashes"]  # a fixture
pytestmark = pytest.mark.usefixtures("cheap_hashes")

Process = Callable[..., DynamoDBIdentityProvider]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def clients(moto_session: boto3.Session) -> Clients:
    return Clients(session=moto_session)


@pytest.fixture
def table(clients: Clients) -> str:
    return create_table(clients)


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that were waited between tries."""
    return []


@pytest.fixture
def process(clients: Clients, clock: ManualClock, table: str, pauses: list[float]) -> Process:
    """A provider as one more process would have it."""

    def start(**options: Any) -> DynamoDBIdentityProvider:
        return DynamoDBIdentityProvider(
            clients, clock, SystemIds(), table=table, sleep=pauses.append, **options
        )

    return start


@pytest.fixture
def provider(process: Process) -> DynamoDBIdentityProvider:
    return process()


def all_items(clients: Clients, table: str) -> list[dict[str, Any]]:
    found: list[Any] = clients.get("dynamodb").scan(TableName=table)["Items"]
    return found


def counted_bytes(value: dict[str, Any]) -> int:
    """What DynamoDB counts of a value, by its documentation."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return -(-len(content) // 2) + 1
        case "L":
            return 3 + sum(1 + counted_bytes(one) for one in content)
        case _:
            raise AssertionError(f"how large is {kind}?")


def kid(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


# What stands in the table


def test_no_password_and_no_token_is_kept_and_no_key_tells_a_login(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str
) -> None:
    provider.sign_up(LOGIN, PASSWORD)
    first = provider.sign_in(LOGIN, PASSWORD)
    second = provider.refresh(first.refresh_token)
    third = provider.refresh(second.refresh_token)
    kept = all_items(clients, table)
    assert LOGIN in str(kept)
    assert LOGIN not in str([(item["pk"], item["sk"]) for item in kept])
    for session in (first, second, third):
        assert session.access_token not in str(kept)
        assert session.refresh_token not in str(kept)
        assert session.refresh_token.rpartition(".")[2] not in str(kept)
    assert PASSWORD not in str(kept)


def test_nothing_stands_where_records_do(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str
) -> None:
    provider.sign_up(LOGIN, PASSWORD)
    token = provider.sign_in(LOGIN, PASSWORD).refresh_token
    for _ in range(2):
        token = provider.refresh(token).refresh_token
    kept = all_items(clients, table)
    kinds = {item["pk"]["S"].split("#")[1] for item in kept}
    assert kinds == {"identity", "login", "session", "signing-keys"}
    assert all(item["pk"]["S"].startswith("#") for item in kept)
    assert not any({"v", "lk"} & item.keys() for item in kept)


def test_what_ends_says_so_to_the_table(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str, clock: ManualClock
) -> None:
    """A user's session with its newest token, a used token with its own end, a guest's after a
    while, and the others that the same token brought; and nothing else."""
    provider.sign_up(LOGIN, PASSWORD)
    users, guests = provider.sign_in(LOGIN, PASSWORD), provider.guest()
    start = clock.now() // 1_000_000
    for session in (users, guests):
        token = session.refresh_token
        clock.set(start * 1_000_000)
        for _ in range(2):
            clock.advance(DAY)
            token = provider.refresh(token).refresh_token
        clock.advance(DAY)
        provider.refresh(token)
        clock.advance(DAY)
        taken = provider.refresh(token).refresh_token
        provider.refresh(taken)
    ends: dict[str, set[int]] = {users.identity.id: set(), guests.identity.id: set(), "": set()}
    for item in all_items(clients, table):
        if "ttl" in item:
            who = item["pk"]["S"].removeprefix("#session#")
            ends[who if who in ends else ""].add(int(item["ttl"]["N"]) - start)
    assert ends == {
        users.identity.id: {30 * DAY, 31 * DAY, 32 * DAY, 33 * DAY, 34 * DAY},
        guests.identity.id: {61 * DAY, 62 * DAY, 64 * DAY},
        "": set(),
    }


def test_an_old_hash_is_replaced_at_sign_in(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str
) -> None:
    def kept() -> str:
        (found,) = [one for one in all_items(clients, table) if "password_hash" in one]
        return str(found["password_hash"]["S"])

    provider.sign_up(LOGIN, PASSWORD)
    assert ",t=1," in kept()
    passwords.PASSES = 2  # put back by `cheap_hashes`
    passwords._hasher.cache_clear()
    provider.sign_in(LOGIN, PASSWORD)
    newer = kept()
    assert ",t=2," in newer
    provider.sign_in(LOGIN, PASSWORD)
    assert kept() == newer


# What it costs


def test_every_operation_takes_so_many_calls(
    provider: DynamoDBIdentityProvider, clients: Clients
) -> None:
    provider.guest()  # which makes the key

    def cost(act: Callable[[], object]) -> Counter[str]:
        with counted(clients) as calls:
            act()
        return calls

    assert cost(provider.guest) == {"TransactWriteItems": 1}
    assert cost(lambda: provider.sign_up(LOGIN, PASSWORD)) == {"TransactWriteItems": 1}
    session = provider.sign_in(LOGIN, PASSWORD)
    assert cost(lambda: provider.sign_in(LOGIN, PASSWORD)) == {
        "GetItem": 2,
        "TransactWriteItems": 1,
    }
    for _ in range(2):
        assert cost(lambda: provider.refresh(session.refresh_token)) == {
            "BatchGetItem": 1,
            "TransactWriteItems": 1,
        }
    assert cost(lambda: provider.verify(session.access_token)) == {}
    assert cost(lambda: provider.find(session.identity.id)) == {"GetItem": 1}
    assert cost(lambda: provider.find_login(LOGIN)) == {"GetItem": 2}
    assert cost(lambda: provider.disable(session.identity.id)) == {"UpdateItem": 1}
    assert cost(lambda: provider.enable(session.identity.id)) == {"UpdateItem": 1}
    assert cost(lambda: provider.list(60)) == {"Query": 32}


def test_lost_answers_make_the_next_refresh_cost_more_and_no_other(
    provider: DynamoDBIdentityProvider, clients: Clients
) -> None:
    """But for themselves from the ninth on, which keep what they push out."""
    written: list[int] = []

    def count(params: dict[str, Any], **_: Any) -> None:
        written.append(len(params["TransactItems"]))

    token = provider.guest().refresh_token
    clients.get("dynamodb").meta.events.register(
        "before-parameter-build.dynamodb.TransactWriteItems", count
    )
    token = provider.refresh(token).refresh_token
    for _ in range(9):
        provider.refresh(token)
    for _ in range(3):
        token = provider.refresh(token).refresh_token
    assert written == [2, 3, *[2] * 7, *[3] * 2, 10, 3]


def test_a_session_with_as_many_tokens_as_it_can_have_is_written_for_one_unit(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str
) -> None:
    provider.sign_up(LOGIN, PASSWORD)
    for session in (provider.sign_in(LOGIN, PASSWORD), provider.guest()):
        token = provider.refresh(session.refresh_token).refresh_token
        for _ in range(10):
            provider.refresh(token)
    sizes = [
        sum(len(name) + counted_bytes(value) for name, value in item.items())
        for item in all_items(clients, table)
        if "others" in item
    ]
    assert len(sizes) == 2
    assert max(sizes) <= 1024, sizes


def test_a_session_that_an_older_version_wrote_goes_on(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str, clock: ManualClock
) -> None:
    guest = provider.guest()
    first, second = guest.refresh_token, f"{guest.refresh_token}-second"
    key = {
        "pk": {"S": f"#session#{guest.identity.id}"},
        "sk": {"S": first.split(".")[1]},
    }
    kept = key | {
        "ended": {"N": "0"},
        "refreshed_at": {"N": str(clock.now())},
        "newest": {"S": digest(second)},
        "used": {"S": digest(first)},
        "used_at": {"N": str(clock.now())},
    }
    clock.advance(DAY)
    clients.get("dynamodb").put_item(TableName=table, Item=kept)
    provider.refresh(first)
    third = provider.refresh(second).refresh_token
    assert provider.refresh(third).identity == guest.identity
    for token in (first, third):
        with pytest.raises(Unauthenticated):
            provider.refresh(token)


def test_the_work_does_not_tell_who_exists(process: Process, clients: Clients) -> None:
    done: list[str] = []

    def offload(function: Any, *args: Any) -> Any:
        done.append(function.__name__)
        return function(*args)

    provider = process(offload=offload)
    for login in (LOGIN, "disabled"):
        provider.sign_up(login, PASSWORD)
    provider.disable(provider.sign_in("disabled", PASSWORD).identity.id)
    work = []
    for login, password in (
        (LOGIN, "wrong password"),
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
    ):
        done.clear()
        with counted(clients) as calls, pytest.raises(Unauthenticated):
            provider.sign_in(login, password)
        work.append((list(done), calls))
    assert work[0] == (["_try", "_try", "check_password"], {"GetItem": 2})
    assert work[1:] == work[:-1]


# The keys of access tokens


def test_a_key_is_added_without_anybody_being_refused(process: Process, clock: ManualClock) -> None:
    signer, operator = process(), process()
    first = signer.guest().access_token
    operator.rotate_signing_key()
    assert kid(operator.guest().access_token) == kid(first)
    clock.advance(10 * MINUTE)
    verifier = process()
    for one in (operator, signer, verifier):
        token = one.guest().access_token
        assert kid(token) != kid(first)
        for other in (operator, signer, verifier):
            other.verify(token)
            other.verify(first)


def test_a_key_ends_an_hour_after_the_next_came(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str, clock: ManualClock
) -> None:
    old = kid(provider.guest().access_token)
    provider.rotate_signing_key()
    clock.advance(60 * MINUTE - 1)
    assert provider._keys.find(old) is not None
    clock.advance(1)
    assert provider._keys.find(old) is None
    assert provider._keys.find(kid(provider.guest().access_token)) is not None
    ends = {
        item["sk"]["S"]: int(item["ttl"]["N"]) if "ttl" in item else None
        for item in all_items(clients, table)
        if item["pk"]["S"] == "#signing-keys"
    }
    assert ends == {"1": clock.now() // 1_000_000, "2": None}


def test_a_key_that_was_taken_away_is_good_for_five_minutes_at_most(
    process: Process, clients: Clients, table: str, clock: ManualClock
) -> None:
    provider = process()
    token = provider.guest().access_token
    provider.rotate_signing_key()
    clients.get("dynamodb").delete_item(
        TableName=table, Key={"pk": {"S": "#signing-keys"}, "sk": {"S": "1"}}
    )
    with pytest.raises(Unauthenticated):
        process().verify(token)
    clock.advance(5 * MINUTE)
    with pytest.raises(Unauthenticated):
        provider.verify(token)
    assert kid(provider.guest().access_token) == "2"


def test_tokens_are_verified_while_the_table_does_not_answer(
    process: Process, clients: Clients, clock: ManualClock
) -> None:
    provider, fresh = process(), process()
    session = provider.guest()
    clock.advance(6 * MINUTE)
    with lost_answers(clients, "Query", 100):
        assert provider.verify(session.access_token).principal == session.identity.principal
        with counted(clients) as calls:
            provider.verify(session.access_token)
        assert calls == {}, "each token waits for the table"
        with pytest.raises(Unavailable):
            fresh.verify(session.access_token)
    fresh.verify(session.access_token)


def test_a_token_whose_key_could_not_be_read_yet_is_not_called_bad(
    process: Process, clients: Clients, clock: ManualClock
) -> None:
    verifier, signer = process(), process()
    verifier.guest()
    signer.rotate_signing_key()
    clock.advance(10 * MINUTE)
    token = signer.guest().access_token
    with lost_answers(clients, "Query", 100), pytest.raises(Unavailable):
        verifier.verify(token)
    clock.advance(10)
    verifier.verify(token)


def test_made_up_keys_cost_no_call(provider: DynamoDBIdentityProvider, clients: Clients) -> None:
    _, claims, signature = provider.guest().access_token.split(".")
    with counted(clients) as calls:
        for name in ("2", "nobodys", 7, None):
            head = json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": name}).encode()
            forged = base64.urlsafe_b64encode(head).decode().rstrip("=")
            with pytest.raises(Unauthenticated):
                provider.verify(f"{forged}.{claims}.{signature}")
    assert calls == {}


# Faults


@pytest.mark.parametrize("times", [1, 2])
def test_lost_answers_are_asked_for_again(
    provider: DynamoDBIdentityProvider, clients: Clients, times: int
) -> None:
    with lost_answers(clients, "TransactWriteItems", times):
        guest = provider.guest()
    assert provider.find(guest.identity.id) == guest.identity
    with lost_answers(clients, "TransactWriteItems", times):
        newer = provider.refresh(guest.refresh_token)
    with lost_answers(clients, "TransactWriteItems", times):
        newest = provider.refresh(newer.refresh_token)
    assert provider.refresh(newest.refresh_token).identity == guest.identity
    with lost_answers(clients, "TransactWriteItems", times):
        provider.sign_up(LOGIN, PASSWORD)
    with lost_answers(clients, "TransactWriteItems", times):
        user = provider.sign_in(LOGIN, PASSWORD)
    with lost_answers(clients, "UpdateItem", times):
        provider.disable(user.identity.id)
    with pytest.raises(Unauthenticated):
        provider.refresh(user.refresh_token)


def test_writes_whose_answers_stay_away_are_told_as_unknown(
    provider: DynamoDBIdentityProvider, clients: Clients, pauses: list[float]
) -> None:
    session = provider.guest()
    pauses.clear()
    with lost_answers(clients, "TransactWriteItems", 100), pytest.raises(OutcomeUnknown):
        provider.guest()
    assert len(pauses) == 2
    with lost_answers(clients, "BatchGetItem", 100), pytest.raises(Unavailable) as caught:
        provider.refresh(session.refresh_token)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert provider.refresh(session.refresh_token).identity == session.identity


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        ("ThrottlingException", []),
        ("ProvisionedThroughputExceededException", []),
        ("TransactionCanceledException", ["None", "TransactionConflict"]),
        ("TransactionCanceledException", ["ThrottlingError", "None"]),
    ],
)
def test_what_meets_others_or_is_too_much_is_tried_again_for_a_while(
    provider: DynamoDBIdentityProvider,
    clients: Clients,
    pauses: list[float],
    code: str,
    reasons: list[str],
) -> None:
    session = provider.guest()
    left = [3]

    def refuse(model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems" and left[0]:
            left[0] -= 1
            answer: Any = {
                "Error": {"Code": code, "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": 400},
                "CancellationReasons": [{"Code": one} for one in reasons],
            }
            raise ClientError(answer, model.name)

    with hooked(clients, "before-call", refuse):
        pauses.clear()
        session = provider.refresh(session.refresh_token)
        assert len(pauses) == 3
        left[0] = 100
        pauses.clear()
        with pytest.raises(Overloaded):
            provider.refresh(session.refresh_token)
    assert len(pauses) == 11
    assert 0 < sum(pauses) < 4
    assert provider.refresh(session.refresh_token).identity == session.identity


def test_keys_that_were_left_out_are_asked_for_again(
    provider: DynamoDBIdentityProvider, clients: Clients, table: str
) -> None:
    session = provider.guest()
    left = [2]

    def leave_out(model: Any, parsed: dict[str, Any], **_: Any) -> None:
        if model.name == "BatchGetItem" and left[0]:
            left[0] -= 1
            item = parsed["Responses"][table].pop()
            key = {"pk": item["pk"], "sk": item["sk"]}
            parsed["UnprocessedKeys"] = {table: {"Keys": [key], "ConsistentRead": True}}

    with hooked(clients, "after-call", leave_out), counted(clients) as calls:
        assert provider.refresh(session.refresh_token).identity == session.identity
    assert calls["BatchGetItem"] == 3


def test_a_missing_table_is_named_by_its_setting(clients: Clients, clock: ManualClock) -> None:
    provider = DynamoDBIdentityProvider(clients, clock, SystemIds(), table="not-there")
    with pytest.raises(Unavailable, match=r"aws\.table"):
        provider.guest()


def test_a_guest_of_old_is_still_told_from_a_thief(
    provider: DynamoDBIdentityProvider, clock: ManualClock
) -> None:
    copied = provider.guest().refresh_token
    newest = provider.refresh(provider.refresh(copied).refresh_token).refresh_token
    clock.advance(rules.REFRESH_SECONDS + MINUTE)
    with pytest.raises(Unauthenticated):
        provider.refresh(copied)
    with pytest.raises(Unauthenticated):
        provider.refresh(newest)
