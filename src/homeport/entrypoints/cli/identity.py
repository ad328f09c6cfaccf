"""`homeport identity list|show|disable|enable`, also while the server runs."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from homeport.domain.identity import ACCESS_SECONDS
from homeport.domain.model.identity import Identity, Kind
from homeport.entrypoints.cli.exits import Exit, fail
from homeport.entrypoints.cli.opening import definition_of, opened_anyway
from homeport.entrypoints.cli.report import print_page
from homeport.entrypoints.lambdas.answers import time_text

if TYPE_CHECKING:
    from homeport.container import Backend

_HEADING = ("ID", "KIND", "CREATED", "LOGIN", "GROUPS", "DISABLED")


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    with opened_anyway(definition, "identity_provider") as backend:
        shown = _ACTIONS[arguments.action](backend, arguments)
    # Not sooner: whoever reads slowly would keep the folder from a server that starts.
    if arguments.json:
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _TELLERS[arguments.action](shown)
    return Exit.OK


def _list(backend: Backend, arguments: Namespace) -> dict[str, Any]:
    page = backend.identity_provider.list(arguments.limit, arguments.cursor)
    shown: dict[str, Any] = {"items": [_as_json(one) for one in page.identities]}
    return shown if page.cursor is None else {**shown, "cursor": page.cursor}


def _show(backend: Backend, arguments: Namespace) -> dict[str, Any]:
    found = _find(backend, arguments.who)
    shown = _as_json(found)
    if backend.definition.adapters.record_store.use != "memory":
        shown["devices"] = len(backend.devices.of(found.id))
    return shown


def _disable(backend: Backend, arguments: Namespace) -> dict[str, Any]:
    found = _find(backend, arguments.who)
    backend.identity_provider.disable(found.id)
    shown = _as_json(_find(backend, found.id))
    return {**shown, "access_tokens_end_within_seconds": ACCESS_SECONDS}


def _enable(backend: Backend, arguments: Namespace) -> dict[str, Any]:
    found = _find(backend, arguments.who)
    backend.identity_provider.enable(found.id)
    return _as_json(_find(backend, found.id))


def _find(backend: Backend, who: str) -> Identity:
    """By id, or else by login: whoever takes another's id for a login hides nobody."""
    provider = backend.identity_provider
    found = provider.find(who) or provider.find_login(who)
    if found is None:
        cure = "`homeport identity list` prints all that there are."
        fail(Exit.FAILED, f"No identity has the id or login {json.dumps(who)}. {cure}")
    return found


def _as_json(identity: Identity) -> dict[str, Any]:
    return {
        "id": identity.id,
        "kind": str(identity.kind),
        "created": time_text(identity.created),
        "login": identity.login or None,
        "groups": list(identity.groups),
        "disabled": identity.disabled,
    }


def _tell_page(shown: dict[str, Any]) -> None:
    rows = [tuple(_cell(one[name.lower()]) for name in _HEADING) for one in shown["items"]]
    print_page(_HEADING, rows, shown.get("cursor"), "There are no identities.")


def _tell(shown: dict[str, Any]) -> None:
    for name, value in shown.items():
        print(f"{name:8}  {_cell(value)}")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(value) or "-"
    return "-" if value is None else str(value)


def _tell_disabled(shown: dict[str, Any]) -> None:
    print(
        f"{_name(shown)} is disabled: it neither signs in nor refreshes, and its refresh tokens "
        f"have ended. Access tokens that are out stay good for up to {ACCESS_SECONDS // 60} "
        "minutes."
    )
    if shown["kind"] == Kind.GUEST:
        print("It is a guest, and has no password: enabled again, it does not come back in.")


def _tell_enabled(shown: dict[str, Any]) -> None:
    if shown["kind"] == Kind.GUEST:
        print(f"{_name(shown)} is enabled, but a guest has no password to sign in with.")
    else:
        print(f"{_name(shown)} is enabled: it may sign in again. Ended sessions stay ended.")


def _name(shown: dict[str, Any]) -> str:
    return f"{shown['login']} ({shown['id']})" if shown["login"] else str(shown["id"])


_ACTIONS = {"list": _list, "show": _show, "disable": _disable, "enable": _enable}
_TELLERS = {
    "list": _tell_page,
    "show": _tell,
    "disable": _tell_disabled,
    "enable": _tell_enabled,
}
