"""Several use the identity provider on DynamoDB at once: nothing is lost, nobody slips through."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ReadTimeoutError

from homeport.adapters.aws.identity_provider import DynamoDBIdentityProvider
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemIds
from homeport.domain.errors import Unauthenticated
from homeport.testing.identity_support import DAY, PASSWORD
from tests.aws.conftest import Engine
from tests.aws.identities import cheap_hashes, hooked, once_before, today

T = TypeVar("T")

AT_ONCE = 8
ROUNDS = 3

__all__ = ["cheap_hashes"]  # a fixture
pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def clock() -> ManualClock:
    return today()


@pytest.fixture
def process(engine: Engine, clock: ManualClock) -> Callable[[], DynamoDBIdentityProvider]:
    """A provider as one more process would have it."""
    return lambda: DynamoDBIdentityProvider(engine.clients, clock, SystemIds(), table=engine.table)


@pytest.fixture
def provider(process: Callable[[], DynamoDBIdentityProvider]) -> DynamoDBIdentityProvider:
    return process()


@pytest.fixture
def login() -> str:
    return f"{uuid.uuid4().hex}@example.org"


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What they give, each begun in a thread of its own when all are ready."""
    ready = threading.Barrier(len(calls))

    def call(one: Callable[[], T]) -> T:
        ready.wait(10)
        return one()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(call, calls))


def good(provider: DynamoDBIdentityProvider, token: str) -> bool:
    try:
        provider.refresh(token)
    except Unauthenticated:
        return False
    return True


def test_one_of_two_who_sign_up_with_one_login_has_the_account(
    process: Callable[[], DynamoDBIdentityProvider], login: str
) -> None:
    words = [f"{PASSWORD} {number}" for number in range(AT_ONCE)]
    at_once(*(partial(process().sign_up, login, word) for word in words))
    let_in = []
    for word in words:
        try:
            let_in.append(process().sign_in(login, word).identity)
        except Unauthenticated:
            continue
    assert let_in == [process().find_login(login)]


def test_of_tokens_that_were_given_at_once_for_one_the_first_that_is_used_is_good(
    process: Callable[[], DynamoDBIdentityProvider], provider: DynamoDBIdentityProvider
) -> None:
    for number in range(ROUNDS):
        token = provider.guest().refresh_token
        given = [
            one.refresh_token
            for one in at_once(*(partial(process().refresh, token) for _ in range(AT_ONCE)))
        ]
        assert len(set(given)) == AT_ONCE
        newer = provider.refresh(given.pop(number)).refresh_token
        assert not any(good(provider, one) for one in given)
        # The others took nothing with them.
        assert good(provider, newer)


def test_of_tokens_that_were_given_for_one_and_are_used_at_once_one_is_good(
    process: Callable[[], DynamoDBIdentityProvider], provider: DynamoDBIdentityProvider
) -> None:
    for _ in range(ROUNDS):
        token = provider.guest().refresh_token
        given = [provider.refresh(token).refresh_token for _ in range(AT_ONCE)]
        assert at_once(*(partial(good, process(), one) for one in given)).count(True) == 1


def test_who_is_disabled_while_they_refresh_is_out_for_good(
    process: Callable[[], DynamoDBIdentityProvider], provider: DynamoDBIdentityProvider
) -> None:
    def go_on(token: str, begun: threading.Event) -> str:
        mine = process()
        for _ in range(1_000):
            try:
                token = mine.refresh(token).refresh_token
            except Unauthenticated:
                return token
            begun.set()
        raise AssertionError("a disabled identity goes on")

    for _ in range(ROUNDS):
        session, begun = provider.guest(), threading.Event()
        with ThreadPoolExecutor(1) as threads:
            last = threads.submit(go_on, session.refresh_token, begun)
            assert begun.wait(30)
            provider.disable(session.identity.id)
            provider.enable(session.identity.id)
            assert not good(provider, last.result(30))


def test_who_is_disabled_right_before_the_write_gets_no_session(
    engine: Engine,
    process: Callable[[], DynamoDBIdentityProvider],
    provider: DynamoDBIdentityProvider,
    login: str,
) -> None:
    provider.sign_up(login, PASSWORD)
    session = provider.sign_in(login, PASSWORD)
    who = session.identity.id

    def disable() -> None:
        process().disable(who)

    with (
        once_before(engine.clients, "TransactWriteItems", disable),
        pytest.raises(Unauthenticated) as caught,
    ):
        provider.refresh(session.refresh_token)
    assert caught.value.reason == "invalid_grant"
    provider.enable(who)
    with (
        once_before(engine.clients, "TransactWriteItems", disable),
        pytest.raises(Unauthenticated) as caught,
    ):
        provider.sign_in(login, PASSWORD)
    assert caught.value.detail == "The login or the password is wrong."


def test_a_sign_in_that_an_operators_back_and_forth_meets_brings_a_good_session(
    engine: Engine, provider: DynamoDBIdentityProvider, login: str
) -> None:
    """Its session must belong to the time after, or it would be over at once."""
    provider.sign_up(login, PASSWORD)
    who = provider.sign_in(login, PASSWORD).identity

    def disable_and_enable() -> None:
        provider.disable(who.id)
        provider.enable(who.id)

    with once_before(engine.clients, "TransactWriteItems", disable_and_enable):
        session = provider.sign_in(login, PASSWORD)
    assert provider.refresh(session.refresh_token).identity == who


def test_who_comes_second_with_one_token_leaves_the_first_what_they_got(
    engine: Engine,
    process: Callable[[], DynamoDBIdentityProvider],
    provider: DynamoDBIdentityProvider,
) -> None:
    token = provider.guest().refresh_token
    first: list[str] = []

    def be_faster() -> None:
        first.append(process().refresh(token).refresh_token)

    with once_before(engine.clients, "TransactWriteItems", be_faster):
        second = provider.refresh(token).refresh_token
    assert good(provider, first[0])
    assert not good(provider, second)


def test_an_answer_that_is_lost_while_somebody_else_asks_is_given_once(
    engine: Engine,
    process: Callable[[], DynamoDBIdentityProvider],
    provider: DynamoDBIdentityProvider,
) -> None:
    token = provider.guest().refresh_token
    others: list[str] = []

    def lose(model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems" and not others:
            others.append("")
            others[0] = process().refresh(token).refresh_token
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    with hooked(engine.clients, "after-call", lose):
        mine = provider.refresh(token).refresh_token
    newer = provider.refresh(mine).refresh_token
    assert not good(provider, others[0])
    assert good(provider, newer)


def test_a_copy_is_found_out_though_its_owner_goes_on_at_that_moment(
    engine: Engine,
    process: Callable[[], DynamoDBIdentityProvider],
    provider: DynamoDBIdentityProvider,
) -> None:
    copied = provider.guest().refresh_token
    owners = provider.refresh(copied).refresh_token
    newest: list[str] = []

    def go_on() -> None:
        newest.append(process().refresh(owners).refresh_token)

    with (
        once_before(engine.clients, "TransactWriteItems", go_on),
        pytest.raises(Unauthenticated),
    ):
        provider.refresh(copied)
    assert not good(provider, newest[0])


def test_processes_that_begin_at_once_agree_on_one_key(
    engine: Engine, process: Callable[[], DynamoDBIdentityProvider]
) -> None:
    engine.clients.get("dynamodb").delete_item(
        TableName=engine.table, Key={"pk": {"S": "#signing-keys"}, "sk": {"S": "1"}}
    )
    providers = [process() for _ in range(AT_ONCE)]
    sessions = at_once(*(one.guest for one in providers))
    for session in sessions:
        for one in providers:
            assert one.verify(session.access_token).principal == session.identity.principal


def test_a_session_that_was_ended_is_not_brought_back_by_a_late_refresh(
    engine: Engine,
    clock: ManualClock,
    process: Callable[[], DynamoDBIdentityProvider],
    provider: DynamoDBIdentityProvider,
) -> None:
    copied = provider.guest().refresh_token
    owners = provider.refresh(provider.refresh(copied).refresh_token).refresh_token
    clock.advance(DAY)

    def find_the_copy_out() -> None:
        assert not good(process(), copied)

    with (
        once_before(engine.clients, "TransactWriteItems", find_the_copy_out),
        pytest.raises(Unauthenticated),
    ):
        provider.refresh(owners)
    assert not good(provider, owners)
