"""`homeport identity` and `homeport records`, with nobody at the data and beside somebody."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from homeport.adapters.credentials import passwords
from homeport.adapters.embedded.folder import DataFolder
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.errors import Unauthenticated
from homeport.domain.model.device import Environment, Platform, PushTarget
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit

DEFINITION = """
[collections.recipes]
schema = "recipe.json"

[collections.notes.fields]
title = { role = "text" }
"""
PASSWORD = "correct horse battery"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    passwords._hasher.cache_clear()
    (tmp_path / "homeport.toml").write_text(DEFINITION)
    (tmp_path / "recipe.json").write_text('{"type": "object", "required": ["title"]}')
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    passwords._hasher.cache_clear()


@pytest.fixture
def backend(folder: Path) -> Iterator[Backend]:
    """Somebody who has the data folder open all the while."""
    backend = build(load(folder, {}))
    _ = backend.database
    yield backend
    backend.close()


@pytest.fixture(params=["alone", "beside"])
def story(backend: Backend, request: pytest.FixtureRequest) -> Story:
    return Story(backend, beside=request.param == "beside")


class Story:
    """Ann has an account, a session and a device; and there is a guest."""

    def __init__(self, backend: Backend, *, beside: bool) -> None:
        self.backend = backend
        backend.identities.sign_up("ann@example.org", PASSWORD)
        self.ann = backend.identities.sign_in("ann@example.org", PASSWORD)
        self.guest = backend.identities.guest()
        target = PushTarget(Platform.FCM, Environment.PRODUCTION, "token")
        backend.devices.put(self.ann.identity.principal, "phone", target)
        if not beside:
            backend.close()

    def again(self) -> Backend:
        """The backend as it is now, also where it was closed."""
        self.backend.close()
        self.backend = build(self.backend.definition)
        return self.backend


Printed = Callable[..., str]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """Runs a command that succeeds, and gives what it printed."""

    def run_it(*arguments: str) -> str:
        code = run(arguments)
        said = capsys.readouterr()
        assert (code, said.err) == (Exit.OK, "")
        return said.out

    return run_it


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command that fails, and gives its code and its sentence."""

    def run_it(*arguments: str) -> tuple[int, str]:
        code = run(arguments)
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("homeport: ") and said.err.count("\n") == 1
        return code, said.err.removeprefix("homeport: ").rstrip()

    return run_it


Refused = Callable[..., tuple[int, str]]


class TestIdentity:
    def test_all_are_listed_without_their_secrets(self, story: Story, printed: Printed) -> None:
        lines = printed("identity", "list").splitlines()
        assert lines[0].split() == ["ID", "KIND", "CREATED", "LOGIN", "GROUPS", "DISABLED"]
        rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
        ann, guest = story.ann.identity, story.guest.identity
        assert (rows[ann.id][0], rows[ann.id][2:]) == ("user", ["ann@example.org", "-", "no"])
        assert (rows[guest.id][0], rows[guest.id][2:]) == ("guest", ["-", "-", "no"])
        shown = printed("identity", "list", "--json")
        assert {one["id"] for one in json.loads(shown)["items"]} == {ann.id, guest.id}
        for secret in ("argon2", story.ann.refresh_token, story.ann.access_token):
            assert secret not in shown

    def test_pages(self, story: Story, printed: Printed) -> None:
        first = json.loads(printed("identity", "list", "--limit", "1", "--json"))
        last = printed("identity", "list", "--limit", "1", "--cursor", first["cursor"], "--json")
        second = json.loads(last)
        assert "cursor" not in second
        found = {one["id"] for one in first["items"] + second["items"]}
        assert found == {story.ann.identity.id, story.guest.identity.id}
        text = printed("identity", "list", "--limit", "1")
        assert text.endswith(f"There are more: --cursor {first['cursor']}\n")

    def test_one_is_shown_by_id_and_by_login(self, story: Story, printed: Printed) -> None:
        by_login = printed("identity", "show", "Ann@Example.org")
        assert by_login == printed("identity", "show", story.ann.identity.id)
        assert dict(line.split() for line in by_login.splitlines()) | {"created": ""} == {
            "id": story.ann.identity.id,
            "kind": "user",
            "created": "",
            "login": "ann@example.org",
            "groups": "-",
            "disabled": "no",
            "devices": "1",
        }
        shown = json.loads(printed("identity", "show", story.guest.identity.id, "--json"))
        assert (shown["login"], shown["devices"]) == (None, 0)

    def test_who_is_disabled_is_out_and_who_is_enabled_signs_in(
        self, story: Story, printed: Printed
    ) -> None:
        ann = story.ann.identity
        said = printed("identity", "disable", "ann@example.org")
        assert said.startswith(f"ann@example.org ({ann.id}) is disabled")
        assert "up to 15 minutes" in said
        shown = json.loads(printed("identity", "disable", ann.id, "--json"))
        assert (shown["disabled"], shown["access_tokens_end_within_seconds"]) == (True, 900)
        identities = story.again().identities
        with pytest.raises(Unauthenticated):
            identities.refresh(story.ann.refresh_token)
        with pytest.raises(Unauthenticated):
            identities.sign_in("ann@example.org", PASSWORD)
        verified = story.backend.identity_provider.verify(story.ann.access_token)
        assert verified.principal == ann.principal

        assert "it may sign in again" in printed("identity", "enable", "ann@example.org")
        identities = story.again().identities
        assert identities.sign_in("ann@example.org", PASSWORD).identity == ann
        with pytest.raises(Unauthenticated):
            identities.refresh(story.ann.refresh_token)

    def test_a_guest_who_is_disabled_does_not_come_back(
        self, story: Story, printed: Printed
    ) -> None:
        guest = story.guest.identity.id
        assert "enabled again, it does not come back" in printed("identity", "disable", guest)
        assert "has no password" in printed("identity", "enable", guest)
        assert json.loads(printed("identity", "show", guest, "--json"))["disabled"] is False

    def test_a_login_that_is_anothers_id_hides_nobody(
        self, backend: Backend, printed: Printed
    ) -> None:
        guest = backend.identities.guest().identity.id
        backend.identities.sign_up(guest, PASSWORD)
        shown = json.loads(printed("identity", "disable", guest, "--json"))
        assert (shown["id"], shown["kind"]) == (guest, "guest")

    @pytest.mark.parametrize("action", ["show", "disable", "enable"])
    def test_nobody(self, story: Story, refused: Refused, action: str) -> None:
        code, sentence = refused("identity", action, "nobody")
        assert code == Exit.FAILED
        assert sentence.startswith('No identity has the id or login "nobody".')

    @pytest.mark.parametrize(
        "wrong", [("--limit", "0"), ("--limit", "61"), ("--cursor", "nonsense")]
    )
    def test_wrong_pages(self, backend: Backend, refused: Refused, wrong: tuple[str, str]) -> None:
        code, sentence = refused("identity", "list", *wrong)
        assert code == Exit.USAGE
        assert wrong[0].removeprefix("--") in sentence


class TestRecords:
    def put(self, printed: Printed, *options: str, data: object, id: str = "a") -> str:
        Path("data.json").write_text(json.dumps(data))
        return printed("records", "put", "public", "notes", id, "data.json", *options)

    def test_a_record_is_put_and_read(self, story: Story, printed: Printed) -> None:
        said = self.put(printed, data={"title": "Über \u009b31m"})
        shown = printed("records", "get", "public", "notes", "a")
        assert r"Über \u009b31m" in shown
        record = json.loads(shown)
        version = record["version"]
        assert said == f"Created public/notes/a at version {version}, author operator.\n"
        assert record["data"] == {"title": "Über \u009b31m"}
        assert list(record) == [
            "id", "space", "collection", "author", "version", "created", "updated", "data"
        ]  # fmt: skip
        assert printed("records", "get", "public", "notes", "a", "--json").count("\n") == 1
        bare = printed("records", "get", "public", "notes", "a", "--bare")
        assert json.loads(bare) == record["data"]
        stored = story.again().store.get(("public", "notes", "a"))  # type: ignore[arg-type]
        assert stored is not None
        assert stored.author == "operator"

    def test_numbers_stay_as_they_are(self, backend: Backend, printed: Printed) -> None:
        exact = '{"sum":0.12345678901234567890123}'
        Path("data.json").write_text(exact)
        printed("records", "put", "public", "notes", "a", "data.json")
        assert printed("records", "get", "public", "notes", "a", "--bare") == exact + "\n"

    def test_data_comes_from_stdin_too(
        self, backend: Backend, printed: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stdin = SimpleNamespace(buffer=io.BytesIO(b'{"title": "soup"}'))
        monkeypatch.setattr(sys, "stdin", stdin)
        shown = json.loads(printed("records", "put", "public", "recipes", "a", "-", "--json"))
        assert shown["data"] == {"title": "soup"}

    def test_versions(self, story: Story, printed: Printed, refused: Refused) -> None:
        first = json.loads(self.put(printed, "--if-none-match", "--json", data={"n": 1}))
        match = ("--if-match", first["version"])
        second = json.loads(self.put(printed, "--json", *match, data={"n": 2}))
        for options in (match, ("--if-none-match",)):
            code, sentence = refused(
                "records", "put", "public", "notes", "a", "data.json", *options
            )
            assert code == Exit.FAILED
            assert f"It is at version {second['version']} now" in sentence
        code, sentence = refused("records", "put", "public", "notes", "b", "data.json", *match)
        assert (code, sentence.endswith("There is nothing to replace.")) == (Exit.FAILED, True)
        wrong = ("--if-match", "7")
        code, _ = refused("records", "put", "public", "notes", "a", "data.json", *wrong)
        assert code == Exit.USAGE

    def test_a_collection_is_listed(self, story: Story, printed: Printed) -> None:
        assert printed("records", "list", "public", "notes") == (
            "There are no records in public/notes.\n"
        )
        for id in "abc":
            self.put(printed, data={"title": "long " * 40}, id=id)
        lines = printed("records", "list", "public", "notes").splitlines()
        assert lines[0].split() == ["ID", "VERSION", "UPDATED", "AUTHOR", "DATA"]
        assert [line.split()[0] for line in lines[1:]] == ["a", "b", "c"]
        assert all(line.endswith(" ...") for line in lines[1:])
        first = json.loads(printed("records", "list", "public", "notes", "--limit", "2", "--json"))
        rest = printed("records", "list", "public", "notes", "--cursor", first["cursor"], "--json")
        found: list[dict[str, Any]] = first["items"] + json.loads(rest)["items"]
        assert [one["id"] for one in found] == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("place", "data", "code", "says"),
        [
            ("me notes a", "{}", Exit.USAGE, "`me`"),
            (".x devices a", "{}", Exit.USAGE, "hidden"),
            ("public Notes a", "{}", Exit.USAGE, "collection"),
            ("public unknown a", "{}", Exit.USAGE, "not declared"),
            ("public inbox a", "{}", Exit.FAILED, "Only the backend itself"),
            ("public recipes a", "{}", Exit.FAILED, "title"),
            ("public notes a", "[]", Exit.FAILED, "not an object"),
            ("public notes a", "{", Exit.FAILED, "line 1"),
        ],
    )
    def test_what_is_refused(
        self, backend: Backend, refused: Refused, place: str, data: str, code: Exit, says: str
    ) -> None:
        Path("data.json").write_text(data)
        found, sentence = refused("records", "put", *place.split(), "data.json")
        assert (found, says in sentence) == (code, True), sentence
        assert backend.store.scan(0, 1, 10) == []

    def test_a_file_without_an_end_is_not_read_to_it(
        self, backend: Backend, refused: Refused
    ) -> None:
        place = ("public", "notes", "long")
        code, sentence = refused("records", "put", *place, "/dev/zero")
        assert (code, sentence) == (Exit.FAILED, "/dev/zero is longer than any record.")

    def test_what_is_not_there(self, backend: Backend, refused: Refused) -> None:
        assert refused("records", "get", "public", "notes", "a") == (
            Exit.FAILED,
            "There is no record public/notes/a.",
        )
        code, sentence = refused("records", "put", "public", "notes", "a", "missing.json")
        assert (code, sentence) == (
            Exit.USAGE,
            "missing.json cannot be read: No such file or directory.",
        )


@pytest.mark.parametrize(
    "command",
    [
        *("dead-letters list", "dead-letters list --json", "dead-letters redrive --all"),
        *("index status", "index verify", "index rebuild --json"),
        *("identity list", "records list public notes"),
    ],
)
def test_who_reads_slowly_keeps_no_server_from_the_folder(
    backend: Backend, folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ = backend.index
    backend.close()

    class Pager(io.StringIO):
        def write(self, text: str) -> int:
            DataFolder(backend.definition.data_folder).close()
            return super().write(text)

    pager = Pager()
    monkeypatch.setattr(sys, "stdout", pager)
    code = run(command.split())
    assert code == Exit.OK
    assert pager.getvalue()


@pytest.mark.parametrize(
    "arguments", [("identity", "list"), ("records", "list", "public", "notes")]
)
class TestNoData:
    def test_without_a_database_nothing_is_made(
        self, folder: Path, refused: Refused, arguments: tuple[str, ...]
    ) -> None:
        (folder / "elsewhere").mkdir()
        code, sentence = refused(*arguments, "--data", str(folder / "elsewhere"))
        assert code == Exit.FOLDER
        assert "--data" in sentence
        assert list((folder / "elsewhere").iterdir()) == []

    def test_what_is_in_memory_is_out_of_reach(
        self, folder: Path, refused: Refused, arguments: tuple[str, ...]
    ) -> None:
        (folder / "homeport.toml").write_text(
            'adapters.record_store = "memory"\nadapters.change_feed = "memory"\n'
            'adapters.identity_provider = "memory"\n'
        )
        code, sentence = refused(*arguments)
        assert (code, "in memory" in sentence) == (Exit.USAGE, True), sentence
