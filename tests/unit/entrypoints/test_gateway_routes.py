from __future__ import annotations

import pytest

from homeport.entrypoints import operations
from homeport.entrypoints.local.routes import Router

ROUTES = {
    "GET /v1/devices": "messages",
    "POST /v1/devices": "messages",
    "PUT /v1/devices/{device}": "messages",
    "GET /v1/records/{space}/{collection}": "records",
    "GET /v1/records/{space}/{collection}/{id}": "records",
    "GET /v1/records/{space}/tasks/open": "tasks",
    "$default": "health",
}


@pytest.fixture
def router() -> Router:
    return Router(ROUTES)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/v1/devices", "GET /v1/devices", None),
        ("POST", "/v1/devices", "POST /v1/devices", None),
        ("PUT", "/v1/devices/phone", "PUT /v1/devices/{device}", {"device": "phone"}),
        (
            "GET",
            "/v1/records/me/notes/1",
            "GET /v1/records/{space}/{collection}/{id}",
            {"space": "me", "collection": "notes", "id": "1"},
        ),
        (
            "GET",
            "/v1/records/me/tasks/open",
            "GET /v1/records/{space}/tasks/open",
            {"space": "me"},
        ),
        ("GET", "/v1/records/me/a b ü", "GET /v1/records/{space}/{collection}", None),
    ],
)
def test_the_most_specific_route_wins(
    router: Router, method: str, path: str, key: str, parameters: dict[str, str] | None
) -> None:
    route, found = router.match(method, path)
    assert route.key == key
    assert route.function == ROUTES[key]
    if parameters is not None or found is None:
        assert found == parameters
    else:
        assert found == {"space": "me", "collection": "a b ü"}


def test_head_is_served_as_get(router: Router) -> None:
    assert router.match("HEAD", "/v1/devices")[0].key == "GET /v1/devices"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/devices/"),
        ("GET", "/v1/devices/phone"),
        ("GET", "//v1/devices"),
        ("GET", "/V1/devices"),
        ("PUT", "/v1/devices/"),
        ("GET", "/v1/records/me/notes/"),
        ("GET", "/v1/records//notes"),
        ("GET", "/v1/records/me/notes/1/2"),
        ("DELETE", "/v1/devices"),
        ("get", "/v1/devices"),
        ("OPTIONS", "*"),
        ("GET", ""),
        ("GET", "/"),
    ],
)
def test_everything_else_goes_to_the_default(router: Router, method: str, path: str) -> None:
    route, parameters = router.match(method, path)
    assert route.key == "$default"
    assert route.function == "health"
    assert parameters is None


def test_every_operation_has_its_route() -> None:
    router = Router(operations.routes())
    for one in operations.OPERATIONS:
        path = "/v1" + one.path.replace("{", "<").replace("}", ">")
        route, parameters = router.match(one.method, path)
        assert route.key == one.route_key
        assert (parameters or {}) == {name: f"<{name}>" for name in one.path_parameters}


def test_a_malformed_key_is_refused() -> None:
    with pytest.raises(ValueError, match="not a route key"):
        Router({"$default": "health", "/v1/devices": "messages"})
