"""Adapters of one's own that cannot be used are told by their key, and none is made for it."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest

from homeport.container import assemble, build, check_own_adapters
from homeport.definition import Definition, DefinitionError
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit
from tests.unit.domain.tables import check

MODULE = """
from abc import abstractmethod

from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.ports.push_gateway import PushGateway

value = 7
made = []

class Gateway(MemoryPushGateway):
    def __init__(self, url="http://127.0.0.1", clock=None):
        super().__init__()
        self.url, self.clock = url, clock
        made.append(self)

class Plain(MemoryPushGateway):
    pass

class Demanding(MemoryPushGateway):
    def __init__(self, clock, token):
        super().__init__()

class Abstract(MemoryPushGateway):
    @abstractmethod
    def token(self): ...

class Deaf:
    def register(self, target, endpoint=None): ...

class Asynchronous(MemoryPushGateway):
    async def send(self, endpoint, push): ...

class Short(MemoryPushGateway):
    def send(self, endpoint): ...

class Silent(MemoryPushGateway):
    send = None

class Passing:
    def __init__(self, **options):
        self.inner = MemoryMessageQueue(None) if options else MemoryPushGateway()

    def __getattr__(self, name):
        return getattr(self.inner, name)

class Static(MemoryPushGateway):
    @staticmethod
    def unregister(endpoint): ...

    @classmethod
    def send(cls, endpoint, push): ...

class Library(MemorySearchIndex):
    def __init__(self, catalog, language, shelf):
        super().__init__()

class Outbox(MemoryMessageQueue):
    def __init__(self, clock):
        super().__init__(clock)

class Incapable:
    in_place = False
    apply, search, entries, versions, status, rebuild = (
        getattr(MemorySearchIndex, name)
        for name in ("apply", "search", "entries", "versions", "status", "rebuild")
    )

class Setting:
    def __init__(self):
        inner = MemorySearchIndex()
        self.capabilities, self.in_place = inner.capabilities, inner.in_place
        self.apply, self.search, self.entries = inner.apply, inner.search, inner.entries
        self.status, self.rebuild = inner.status, inner.rebuild
        self.versions = inner.versions

class Filling(MemoryPushGateway):
    send = None

    def __init__(self):
        super().__init__()
        self.send = super().send

def gateway():
    return MemoryPushGateway()

def number():
    return 7

def changed(event, record): ...
"""
GATEWAY = "adapters.push_gateway"


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kitchen_adapters.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kitchen_adapters", raising=False)


def using(name: str, port: str = "push_gateway", **options: object) -> Definition:
    use = {"use": f"kitchen_adapters:{name}", "options": options}
    profile = {} if port != "record_store" else {"change_feed": use}
    return Definition.of({"profile": "memory", "adapters": {port: use, **profile}})


def refused(definition: Definition) -> str:
    with pytest.raises(DefinitionError) as error:
        check_own_adapters(definition)
    return str(error.value).replace("kitchen_adapters:", "")


def refused_made(definition: Definition) -> str:
    """What is told of an adapter whose class will do as far as can be seen."""
    check_own_adapters(definition)
    with pytest.raises(DefinitionError) as error, closing(build(definition)) as backend:
        _ = backend.push, backend.queue, backend.index
    return str(error.value).replace("kitchen_adapters:", "")


def test_what_cannot_be_made_is_told_before_it_is_made() -> None:
    named = "Without them a constructor gets what it names of clock, data_folder."
    check(
        refused,
        [
            (
                using("nothing"),
                (
                    f'{GATEWAY}: "nothing" cannot be imported: module '
                    "'kitchen_adapters' has no attribute 'nothing'."
                ),
            ),
            (using("value"), f'{GATEWAY}: "value" is not a class but int'),
            (
                using("PushGateway"),
                f'{GATEWAY}: "PushGateway" is abstract: name a class that does what it says',
            ),
            (
                using("Gateway", ulr="x"),
                f'{GATEWAY}.options.ulr: "Gateway" has no such option. Allowed: url.',
            ),
            (
                using("Plain", a=1),
                f'{GATEWAY}.options.a: "Plain" has no such option. It takes none.',
            ),
            (
                using("Gateway", clock=1),
                (
                    f"{GATEWAY}.options.clock: this comes from the backend: "
                    "leave it out, or give the parameter another name"
                ),
            ),
            (
                using("Demanding"),
                f'{GATEWAY}: "Demanding" needs `token`: give it in `options`. {named}',
            ),
            (
                using("changed"),
                "\n".join(
                    f'{GATEWAY}: "changed" needs `{one}`: give it in `options`. {named}'
                    for one in ("event", "record")
                ),
            ),
        ],
    )


def test_methods_that_would_not_do_are_told_before_it_is_made() -> None:
    check(
        refused,
        [
            (
                using("Asynchronous"),
                f'{GATEWAY}: "Asynchronous" has an async `send`: nothing would wait for it',
            ),
            (using("Short"), f'{GATEWAY}: "Short" has a `send` that does not take endpoint, push'),
        ],
    )


def test_what_does_not_have_the_methods_of_the_port_is_told_once_it_is_made() -> None:
    check(
        refused_made,
        [
            (using("Deaf"), f'{GATEWAY}: "Deaf" is no push gateway: it has no unregister, send'),
            (using("Silent"), f'{GATEWAY}: "Silent" has a `send` that is no method'),
            (
                using("Outbox"),
                f'{GATEWAY}: "Outbox" is no push gateway: it has no register, unregister, send',
            ),
            (
                using("MemoryPushGateway", "message_queue"),
                (
                    'adapters.message_queue: "MemoryPushGateway" is no message queue: it has no '
                    "enqueue, deliver, next_due, dead_letters, redrive, drop"
                ),
            ),
            (
                using("Incapable", "search_index"),
                'adapters.search_index: "Incapable" is no search index: it has no capabilities',
            ),
        ],
    )


def test_a_queue_is_no_feed_though_its_methods_are_called_the_same() -> None:
    found = refused(using("MemoryMessageQueue", "record_store"))
    assert (
        'adapters.change_feed: "MemoryMessageQueue" has a `deliver` that does not take '
        "consumer, consume, limit, collections"
    ) in found


def test_the_shadow_is_looked_at_too() -> None:
    own = {"use": "kitchen_adapters:Library"}
    definition = Definition.of({"profile": "memory", "search": {"shadow": own}})
    assert refused(definition).startswith('search.shadow: "Library" needs `shelf`')
    with pytest.raises(DefinitionError, match=r"search\.shadow"):
        _ = build(definition).shadow


@pytest.mark.parametrize("name", ["Gateway", "Plain", "Passing", "Static", "gateway"])
def test_what_will_do_is_made(name: str) -> None:
    definition = using(name)
    check_own_adapters(definition)
    build(definition).push.unregister("never-was")


@pytest.mark.parametrize(
    ("name", "port"), [("Setting", "search_index"), ("Filling", "push_gateway")]
)
def test_a_constructor_may_set_what_the_class_has_not(name: str, port: str) -> None:
    definition = using(name, port)
    check_own_adapters(definition)
    with closing(build(definition)) as backend:
        _ = backend.index, backend.push


@pytest.mark.parametrize(
    ("definition", "reason"),
    [(using("number"), '"number" is no push gateway'), (using("Passing", a=1), '"Passing" is no')],
)
def test_what_only_shows_once_it_is_made_is_told_then(definition: Definition, reason: str) -> None:
    check_own_adapters(definition)
    with pytest.raises(DefinitionError) as error:
        _ = build(definition).push
    assert reason in str(error.value).replace("kitchen_adapters:", "")


def test_nothing_is_made_to_be_looked_at() -> None:
    check_own_adapters(using("Gateway", url="x"))
    made = sys.modules["kitchen_adapters"].made
    assert made == []
    assert made == [assemble(using("Gateway", url="x")).push_gateway()]


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_commands_tell_in_a_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use = '{ use = "kitchen_adapters:Gateway", options = { ulr = "x" } }'
    (tmp_path / "homeport.toml").write_text(f"server.port = 0\nadapters.push_gateway = {use}\n")
    code = run([command, "--definition", str(tmp_path)])
    assert code == (Exit.USAGE if command == "serve" else Exit.FAILED)
    shown = "".join(capsys.readouterr())
    assert f'{GATEWAY}.options.ulr: "kitchen_adapters:Gateway" has no such option.' in shown
    assert not (tmp_path / "homeport-data").exists()
