"""From a token to the principal that a handler sees, over what API Gateway passes on."""

from __future__ import annotations

import json

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.entrypoints.lambdas.authorizer import authorize
from homeport.entrypoints.lambdas.requests import principal_of


@pytest.mark.parametrize(
    "groups",
    [(), ("admin",), ("admin", "sales"), ("sales,admin",), ("",), ('"', "[]", "käse\n")],
    ids=repr,
)
def test_groups_arrive_whole_whatever_their_names_hold(groups: tuple[str, ...]) -> None:
    provider = MemoryIdentityProvider(ManualClock(), SequentialIds())
    guest = provider.guest()
    provider.set_groups(guest.identity.id, groups)
    session = provider.refresh(guest.refresh_token)
    context = authorize(provider, f"Bearer {session.access_token}")
    # API Gateway passes on strings, numbers and booleans alone.
    assert {type(one) for one in context.values()} <= {str, int, bool}
    event = {"requestContext": {"authorizer": {"lambda": json.loads(json.dumps(context))}}}
    principal = principal_of(event, 0)
    assert principal == session.identity.principal
    assert set(principal.groups) == set(groups)
