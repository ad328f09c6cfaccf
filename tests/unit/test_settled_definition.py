"""Definitions that bundles hold: read without being checked again, and never other than checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.definition import Definition
from homeport.definition.settled import FILE_NAME, settle, settled

EVERYTHING: dict[str, Any] = {
    "profile": "aws",
    "undeclared_collections": "refuse",
    "adapters": {
        "search_index": "opensearch",
        "push_gateway": {"use": "app.push:Gateway", "options": {"urls": ["a", "b"], "n": 1.5}},
    },
    "server": {
        "port": 1,
        "cors_origins": ["https://a.example", "https://b.example"],
        "trusted_proxies": ["10.0.0.0/8"],
    },
    "limits": {"guests_per_minute": 1},
    "search": {"language": "de", "shadow": "cloudsearch"},
    "collections": {
        "notes": {
            "read": "anyone",
            "write": "author",
            "fields": {"title": {"role": "text", "boost": 2.5}, "place.city": "keyword"},
            "schema": {"properties": {"n": {"maximum": 12345678901234567890}}},
            "shards": 4,
        },
        "plain": {},
    },
    "subscribers": [{"name": "stats", "on": ["notes", "inbox"], "call": "app.stats:count"}],
    "aws": {"region": "eu-west-1", "push_applications": {"fcm": "arn:aws:sns:1"}},
    "opensearch": {"url": ["http://a", "http://b"], "user": "u", "password": "p"},
}


def kept(folder: Path, definition: Definition, **variables: str) -> Path:
    file = folder / "homeport.toml"
    text = settle(definition, file if file.exists() else None, variables)
    assert text is not None
    (folder / FILE_NAME).write_text(text)
    return folder


@pytest.mark.parametrize("value", [{}, {"profile": "memory"}, EVERYTHING])
def test_it_is_what_was_checked(tmp_path: Path, value: dict[str, Any]) -> None:
    definition = Definition.of(value)
    found = settled(kept(tmp_path, definition), {"PATH": "/bin"})
    assert found == definition
    assert found is not None
    assert repr(found) == repr(definition)


def test_everything_has_another_value_than_its_default() -> None:
    """So that nothing is left out of the comparison above."""
    made, usual = Definition.of(EVERYTHING), Definition()
    unchanged = [name for name in Definition.names() if getattr(made, name) == getattr(usual, name)]
    assert unchanged == ["data_folder"]


def test_variables_that_are_any_text_stand_over_it(tmp_path: Path) -> None:
    folder = kept(tmp_path, Definition.of({"profile": "aws"}))
    environ = {
        "HOMEPORT_AWS__TABLE": "other",
        "homeport_aws__region": "eu-west-1",
        "HOMEPORT_AWS__PUSH_APPLICATIONS__APNS": "arn",
        "HOMEPORT_AWS__SEARCH_ENDPOINT": "https://search",
        "HOMEPORT_OPENSEARCH__URL": "https://a:9200",
        "HOMEPORT_OPENSEARCH__USER": "u",
        "HOMEPORT_OPENSEARCH__PASSWORD": "p",
    }
    found = settled(folder, environ)
    assert found == Definition.of(
        {
            "profile": "aws",
            "aws": {
                "table": "other",
                "region": "eu-west-1",
                "search_endpoint": "https://search",
                "push_applications": {"apns": "arn"},
            },
            "opensearch": {"url": "https://a:9200", "user": "u", "password": "p"},
        }
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOMEPORT_SERVER__PORT", "1"),
        ("HOMEPORT_AWS__TABLE", ""),
        ("HOMEPORT_AWS__TABEL", "t"),
        ("HOMEPORT_AWS__PUSH_APPLICATIONS", '{ fcm = "arn" }'),
        ("HOMEPORT_AWS__TABLE", "{ a = 1 }"),
        ("HOMEPORT_AWS", "{}"),
        ("HOMEPORT_NONSENSE", "x"),
        ("HOMEPORT_OPENSEARCH__URL", "http://user:secret@a"),
        ("HOMEPORT_OPENSEARCH__URL", '["http://a"]'),
        ("HOMEPORT_OPENSEARCH__PASSWORD", "a password without a user"),
        ("HOMEPORT_OPENSEARCH__TIMEOUT", "5"),
    ],
)
def test_other_variables_are_to_be_checked(tmp_path: Path, name: str, value: str) -> None:
    assert settled(kept(tmp_path, Definition()), {name: value}) is None


@pytest.mark.parametrize("environ", [{}, {"HOMEPORT_PROFILE": "memory"}])
def test_so_is_another_choice_than_when_it_was_settled(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    folder = kept(tmp_path, Definition.of({"profile": "aws"}), HOMEPORT_PROFILE="aws")
    assert settled(folder, environ) is None
    assert settled(folder, {"HOMEPORT_PROFILE": "aws"}) is not None


@pytest.mark.parametrize("option", [float("inf"), Path("x"), {1: 2}, (1, 2)])
def test_what_json_cannot_say_is_not_settled(option: object) -> None:
    made = Definition()
    gateway = replace(made.adapters.push_gateway, use="app:Gateway", options={"it": option})
    chosen = replace(made, adapters=replace(made.adapters, push_gateway=gateway))
    assert settle(chosen, None, {}) is None


def test_another_file_is_to_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "homeport.toml").write_text('profile = "aws"')
    folder = kept(tmp_path, Definition.of({"profile": "aws"}))
    assert settled(folder, {}) is not None
    (tmp_path / "homeport.toml").write_text('profile = "memory"')
    assert settled(folder, {}) is None
    (tmp_path / "homeport.toml").unlink()
    assert settled(folder, {}) is None


def test_where_there_is_none_the_file_is_loaded(tmp_path: Path) -> None:
    assert settled(tmp_path, {}) is None


def test_it_can_be_read_by_people(tmp_path: Path) -> None:
    text = (kept(tmp_path, Definition()) / FILE_NAME).read_text()
    assert json.loads(text)["definition"]["server"]["port"] == 8090
    assert "\n" in text
