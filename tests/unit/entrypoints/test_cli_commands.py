"""Commands that need no server: what they print, and the codes they exit with."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from homeport import __version__
from homeport.definition import STARTER, Definition
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import MEANINGS, Exit
from homeport.entrypoints.cli.serve import banner, reachable
from homeport.entrypoints.operations import OPERATIONS


def test_init_writes_the_starter_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "app"
    assert run(["init", str(folder)]) == Exit.OK
    file = folder / "homeport.toml"
    assert file.read_text() == STARTER
    assert str(file) in capsys.readouterr().out
    file.write_text("# mine")
    assert run(["init", str(folder)]) == Exit.FAILED
    assert file.read_text() == "# mine"
    assert capsys.readouterr().err == (
        f"homeport: {file} exists and stays as it is. Move it away to get a new one.\n"
    )


def test_init_needs_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    assert run(["init", str(file)]) == Exit.FAILED
    assert capsys.readouterr().err.startswith("homeport: ")


def test_routes_lists_every_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["routes", "--json"]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [one.name for one in OPERATIONS]
    assert rows[0]["path"] == "/v1/records/{space}/{collection}"
    assert run(["routes"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(OPERATIONS) + 1
    assert lines[0].split() == ["METHOD", "PATH", "NAME", "CALLER", "FUNCTION"]
    assert lines[1].split() == [
        "POST",
        "/v1/records/{space}/{collection}",
        "create_record",
        "identity",
        "records",
    ]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == Exit.OK
    assert capsys.readouterr().out.startswith(f"homeport {__version__}\nPython 3.")


def test_help_tells_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["--help"])
    assert end.value.code == Exit.OK
    text = capsys.readouterr().out
    assert "homeport serve" in text
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in text


@pytest.mark.parametrize("command", ["serve", "demo", "init", "routes", "index"])
def test_each_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run([command, "--help"])
    assert f"examples:\n  homeport {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        *([], ["start"], ["demo", "--limit", "0"], ["index"], ["index", "drop"], ["routes", "x"]),
        *(["backup", ""], ["restore", ""], ["export", ""], ["import", ""]),
    ],
)
def test_wrong_arguments(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(argv)
    assert end.value.code == Exit.USAGE
    assert "usage: homeport" in capsys.readouterr().err


def test_a_wrong_definition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "homeport.toml"
    file.write_text("[server]\nprot = 1\n")
    assert run(["serve", "--definition", str(tmp_path)]) == Exit.USAGE
    assert capsys.readouterr().err.startswith(
        f"homeport: {file}:2: server.prot: there is no such key. Did you mean port?"
    )


def test_a_wrong_option_is_told_as_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--definition", str(tmp_path), "--port", "x"]) == Exit.USAGE
    assert capsys.readouterr().err == 'homeport: --port: "x" should be a whole number\n'


def test_an_adapter_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "homeport.toml").write_text('adapters.search_index = "nowhere.to.be:Found"')
    assert run(["serve", "--definition", str(tmp_path)]) == Exit.USAGE
    assert 'adapters.search_index: "nowhere.to.be:Found" cannot be imported' in (
        capsys.readouterr().err
    )


def test_the_demo_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--url", "http://127.0.0.1:1"]) == Exit.FAILED
    assert capsys.readouterr().err == (
        "homeport: http://127.0.0.1:1 does not answer: Connection refused. "
        "Start a backend with: homeport serve\n"
    )
    assert run(["demo", "--url", "127.0.0.1:8090"]) == Exit.USAGE


def test_index_without_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["index", "verify", "--definition", str(tmp_path)]) == Exit.FOLDER
    assert "There is no data folder" in capsys.readouterr().err
    (tmp_path / "homeport.toml").write_text('adapters.record_store = "memory"')
    assert run(["index", "verify", "--definition", str(tmp_path)]) == Exit.USAGE


@pytest.mark.parametrize("rate", ["nan", "inf", "1e-300", "0.09", "0", "-1"])
def test_a_rate_that_nothing_keeps_to(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["index", "rebuild", f"--rate={rate}"]) == Exit.USAGE
    assert capsys.readouterr().err == (
        "homeport: --rate is a number of records a second, 0.1 or more.\n"
    )


@pytest.mark.parametrize("host", ["ü..x", "a\0b"])
def test_a_host_that_has_no_name(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--definition", str(tmp_path), "--data", str(tmp_path / "data")]
    assert run(["serve", *place, "--host", host]) == Exit.PORT
    assert "that is no host's name. Choose" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_banner_says_where_and_what_to_try() -> None:
    notes = Definition.of(tomllib.loads(STARTER))
    lines = banner("http://0.0.0.0:9000", notes, "homeport.toml")
    assert lines[0] == f"Homeport {__version__} serves http://127.0.0.1:9000"
    tries = [line for line in lines if "curl" in line]
    assert len(tries) == 3
    assert tries[2].endswith("-d collection=notes -d highlight=body")
    without = banner("http://127.0.0.1:9000", Definition(), "homeport.toml")
    assert without[-2].endswith("-d collection=notes")
    closed = Definition.of({"undeclared_collections": "refuse", "collections": {"posts": {}}})
    assert "/records/me/posts " in banner("http://127.0.0.1:9000", closed, "")[-3]


def test_the_shown_url_is_one_that_answers() -> None:
    assert reachable("http://[::]:80") == "http://127.0.0.1:80"
    assert reachable("http://192.0.2.1:80") == "http://192.0.2.1:80"


def test_a_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", None)
    monkeypatch.delitem(sys.modules, "homeport.entrypoints.local.greenlets", raising=False)
    monkeypatch.delitem(sys.modules, "homeport.entrypoints.cli.serve", raising=False)
    assert run(["serve", "--definition", str(tmp_path)]) == Exit.FAILED
    assert capsys.readouterr().err == (
        "homeport: the package greenlet is missing. Run: pip install 'homeport[local]'\n"
    )
