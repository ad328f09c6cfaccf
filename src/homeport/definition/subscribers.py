"""What a definition says of subscribers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from homeport.definition.forms import Checked, Form, Prepared
from homeport.domain.errors import Invalid
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_CALL = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_EMPTY: Final = "name at least one collection"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a subscriber's name is 1 to 64 of a-z 0-9 _ -")
    return str(name)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _collection(name: str) -> str:
    """Any collection that can hold records, the backend's own `inbox` and `sent` too."""
    try:
        names.check_collection(name)
    except Invalid:
        raise ValueError(
            f'"{name}" is not a collection: its name is 1 to 64 of a-z 0-9 _'
        ) from None
    if name in names.RESERVED and Catalog().find(name) is None:
        raise ValueError(f'the collection "{name}" is the backend\'s own and holds nothing')
    return str(name)


def _some(collections: tuple[str, ...]) -> tuple[str, ...]:
    if not collections:
        raise ValueError(_EMPTY)
    return collections


def _call(call: str) -> str:
    if not _CALL.fullmatch(call):
        raise ValueError(f'"{call}" is not "package.module:function"')
    return str(call)


@dataclass(frozen=True, kw_only=True)
class SubscriberSettings(Form):
    """`call`, as `package.module:function`, is called for changes in the collections `on`."""

    name: Annotated[str, Checked(_name)]
    on: Annotated[
        tuple[Annotated[str, Checked(_collection)], ...],
        Prepared(_listed),
        Checked(_some),
    ]
    call: Annotated[str, Checked(_call)]


def told_apart(subscribers: tuple[SubscriberSettings, ...]) -> tuple[SubscriberSettings, ...]:
    """These subscribers; ValueError where two have one name."""
    seen = set()
    for one in subscribers:
        if one.name in seen:
            raise ValueError(f'two subscribers are named "{one.name}": give each its own name')
        seen.add(one.name)
    return subscribers


def check_declared(subscribers: tuple[SubscriberSettings, ...], catalog: Catalog) -> None:
    """ValueError where one is on a collection that does not exist, as undeclared ones do not."""
    if not catalog.refuse_undeclared:
        return
    for one in subscribers:
        for collection in one.on:
            if catalog.find(collection) is None:
                raise ValueError(
                    f'the subscriber "{one.name}" is on "{collection}", which is not declared, '
                    'and undeclared_collections is "refuse"'
                )
