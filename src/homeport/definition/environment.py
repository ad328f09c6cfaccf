"""Values of environment variables, whose types the settings decide."""

from __future__ import annotations

from typing import Any, Final

PREFIX: Final = "HOMEPORT_"


class EnvironmentText(str):
    """The value of an environment variable, which has no type of its own yet."""

    __slots__ = ()


def typed(value: object) -> object:
    """A variable's text as the TOML value that it spells; anything else as it is."""
    if isinstance(value, EnvironmentText):
        import tomllib  # functions have their definition settled, and no use for it

        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return value
    return value


def blank_is_none(value: Any) -> Any:
    return None if value == "" else value
