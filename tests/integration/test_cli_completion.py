"""The script of `homeport completion`, in a shell as people have it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit

# What bash does when somebody types a line and then the tabulator.
TYPED = """
source ../script
registered=($(complete -p homeport))
function=_shtab_homeport
[[ " ${registered[*]} " == *" -F $function "* ]] || exit 1
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
$function homeport "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["completion", shell]) == Exit.OK
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ver", {"version"}),
        ("ex", {"export"}),
        ("im", {"import"}),
        ("dead", {"dead-letters"}),
        ("index ", {"status", "rebuild", "shadow", "verify"}),
        ("dead-letters re", {"redrive"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("export --re", {"--resume"}),
        ("import --", {"--help", "--replace", "--strict", "--json", "--definition", "--data"}),
        ("import --replace --st", {"--strict"}),
        ("export --data ", {"records"}),
        ("import ", {"mine.jsonl", "records"}),
        ("import mi", {"mine.jsonl"}),
        ("openapi --output mi", {"mine.jsonl"}),
        ("schema check notes --schema mi", {"mine.jsonl"}),
        ("backup rec", {"records"}),
        ("restore --force mi", set()),
        ("nothing", set()),
    ],
)
def test_bash_completes(
    typed: str, completed: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script").write_text(script("bash", capsys))
    there = tmp_path / "there"
    (there / "records").mkdir(parents=True)
    (there / "mine.jsonl").touch()
    done = subprocess.run(
        ["bash", "--norc", "-c", TYPED, "-", "homeport", *typed.split(" ")],
        cwd=there,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = set(done.stdout.split())
    if typed.startswith("import ") and typed.endswith(" "):
        found = {one for one in found if not one.startswith("-")}
    assert found - {"-h"} == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_knows_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    for word in ("export", "dead-letters", "redrive", "strict"):
        assert word in text


def test_it_describes_commands_in_a_few_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "export:'write records and memberships as JSON lines" in script("zsh", capsys)
