"""Which function serves a request, by the route keys that API Gateway would use.

A route key is a method and a path, `GET /v1/records/{space}/{collection}/{id}`. Segments in
braces match any text but none; a trailing slash makes another path. What no route matches goes
to `$default`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

DEFAULT: Final = "$default"


@dataclass(frozen=True, slots=True)
class Route:
    """`key` as API Gateway spells it, and the name of the function that serves it."""

    key: str
    function: str


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A route with parameters: which segments must read what, and which are parameters."""

    route: Route
    read: Callable[[Sequence[str]], object]
    fixed: object
    names: tuple[str, ...]
    parameters: Callable[[Sequence[str]], str | tuple[str, ...]]

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        if self.read(segments) != self.fixed:
            return None
        found = self.parameters(segments)
        values = found if isinstance(found, tuple) else (found,)
        return None if "" in values else dict(zip(self.names, values, strict=True))


class Router:
    """Matches methods and decoded paths against `routes`: route key -> function name."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        self._default = Route(DEFAULT, routes[DEFAULT])
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: dict[tuple[str, int], list[_Pattern]] = {}
        for key, function in routes.items():
            if key != DEFAULT:
                self._add(Route(key, function))
        for patterns in self._patterns.values():
            patterns.sort(key=lambda pattern: len(pattern.names))

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str] | None]:
        """The route, and its path parameters where it has any. HEAD is served as GET."""
        if method == "HEAD":
            method = "GET"
        route = self._exact.get((method, path))
        if route is not None:
            return route, None
        segments = path.split("/")
        for pattern in self._patterns.get((method, len(segments)), ()):
            parameters = pattern.match(segments)
            if parameters is not None:
                return pattern.route, parameters
        return self._default, None

    def _add(self, route: Route) -> None:
        method, _, path = route.key.partition(" ")
        if not method or not path.startswith("/"):
            raise ValueError(f"not a route key: {route.key!r}")
        segments = path.split("/")
        fixed = [place for place, text in enumerate(segments) if not _is_parameter(text)]
        parameters = [place for place, text in enumerate(segments) if _is_parameter(text)]
        if not parameters:
            self._exact[method, path] = route
            return
        read = itemgetter(*fixed)
        pattern = _Pattern(
            route,
            read,
            read(segments),
            tuple(segments[place][1:-1] for place in parameters),
            itemgetter(*parameters),
        )
        self._patterns.setdefault((method, len(segments)), []).append(pattern)


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")
