"""A definition as a bundle holds it: checked when that was made, so that a function, which
starts often, need not load pydantic and check it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from homeport.definition.aws import AwsSettings, PushApplications
from homeport.definition.environment import PREFIX
from homeport.definition.models import (
    Adapter,
    Adapters,
    CollectionSettings,
    Definition,
    FieldSettings,
    Limits,
    Search,
    Server,
)
from homeport.definition.opensearch import OpenSearchSettings, is_url
from homeport.definition.subscribers import SubscriberSettings
from homeport.domain.model.collection import Access, FieldRole

FILE_NAME: Final = "homeport-settled.json"
_FILES: Final = ("homeport.toml", "pyproject.toml")
_TEXTS: Final = (
    *(("aws", name) for name in AwsSettings.names() if name != "push_applications"),
    *(("aws", "push_applications", name) for name in PushApplications.names()),
    ("opensearch", "user"),
    ("opensearch", "password"),
)
"""Settings that are any text: a function gets them from its environment, and no check is due
but of how they go together."""
_URL: Final = ("opensearch", "url")


def settle(definition: Definition, file: Path | None, variables: Mapping[str, str]) -> str | None:
    """The text of a settled definition, which was loaded from this file with these variables
    over it. None where it holds what JSON cannot say."""
    try:
        text = json.dumps(
            {
                "source": _digest(file),
                "variables": dict(variables),
                "definition": asdict(definition),
            },
            default=_plain,
            indent=1,
            allow_nan=False,
        )
        return text if _definition(json.loads(text)["definition"]) == definition else None
    except (TypeError, ValueError):
        return None


def settled(folder: Path, environ: Mapping[str, str]) -> Definition | None:
    """The definition in a folder, with the HOMEPORT_* variables of `environ` over it.

    None where there is none, or its file is another by now, or one of the variables is to be
    checked, or another than when it was settled: then the definition's file is to be loaded.
    """
    try:
        kept = json.loads((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return None
    ours = {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if kept["source"] != _digest(file) or not kept["variables"].items() <= ours.items():
        return None
    definition: Any = _definition(kept["definition"])
    for name in ours.keys() - kept["variables"].keys():
        path, value = tuple(name[len(PREFIX) :].lower().split("__")), ours[name]
        if path == _URL and is_url(value):
            definition = _with(definition, path, (value,))
        elif path in _TEXTS and value and not value.lstrip().startswith("{"):
            definition = _with(definition, path, value)
        else:
            return None
    try:
        definition.opensearch.check()
    except ValueError:
        return None
    made: Definition = definition
    return made


def _digest(file: Path | None) -> str | None:
    """What the file with the definition holds, in short."""
    return None if file is None else sha256(file.read_bytes()).hexdigest()


def _with(table: Any, path: tuple[str, ...], value: Any) -> Any:
    name, *rest = path
    if rest:
        value = _with(getattr(table, name), tuple(rest), value)
    return replace(table, **{name: value})


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError


def _definition(kept: dict[str, Any]) -> Definition:
    server, search, aws, opensearch = (
        kept[name] for name in ("server", "search", "aws", "opensearch")
    )
    push = PushApplications(**aws.pop("push_applications"))
    shadow = search["shadow"]
    tables: dict[str, Any] = {
        "data_folder": Path(kept["data_folder"]),
        "adapters": Adapters(**{port: Adapter(**one) for port, one in kept["adapters"].items()}),
        "server": Server(
            **{
                **server,
                "cors_origins": tuple(server["cors_origins"]),
                "trusted_proxies": tuple(server["trusted_proxies"]),
            }
        ),
        "limits": Limits(**kept["limits"]),
        "search": Search(**{**search, "shadow": None if shadow is None else Adapter(**shadow)}),
        "collections": {name: _collection(one) for name, one in kept["collections"].items()},
        "subscribers": tuple(
            SubscriberSettings(**{**one, "on": tuple(one["on"])}) for one in kept["subscribers"]
        ),
        "aws": AwsSettings(**aws, push_applications=push),
        "opensearch": OpenSearchSettings(**{**opensearch, "url": tuple(opensearch["url"])}),
    }
    return Definition(**{**kept, **tables})


def _collection(kept: dict[str, Any]) -> CollectionSettings:
    access = {
        name: None if kept[name] is None else Access(kept[name]) for name in ("read", "write")
    }
    fields = {
        path: FieldSettings(role=FieldRole(one["role"]), boost=one["boost"])
        for path, one in kept["fields"].items()
    }
    return CollectionSettings(**{**kept, **access, "fields": fields})
