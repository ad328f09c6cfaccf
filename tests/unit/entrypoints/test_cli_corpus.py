"""The demo's notes come from sources, which are parsed and never run."""

from __future__ import annotations

import re
from pathlib import Path

from homeport.domain.model.names import ID_PATTERN
from homeport.entrypoints.cli.corpus import Note, notes, sources, standard_library

SOURCE = '''\
"""The module.

More of it."""

raise SystemExit("never run")

class Car:
    """A car."""

    def drive(self):
        """Go."""
        def inside():
            """Not a note."""

    def park(self): ...

    class Door:
        """A door."""

if True:
    def honk():
        """First."""
else:
    def honk():
        """Second."""

async def fly():
    """Up."""
'''


def test_each_docstring_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "garage").mkdir()
    source = tmp_path / "garage" / "cars.py"
    source.write_text(SOURCE)
    found = list(notes(tmp_path, source))
    assert [(one.title, one.kind, one.body, one.lines) for one in found] == [
        ("garage.cars", "module", "The module.\n\nMore of it.", SOURCE.count("\n")),
        ("garage.cars.Car", "class", "A car.", 12),
        ("garage.cars.Car.drive", "method", "Go.", 4),
        ("garage.cars.Car.Door", "class", "A door.", 2),
        ("garage.cars.honk", "function", "First.", 2),
        ("garage.cars.fly", "function", "Up.", 2),
    ]
    assert {one.module for one in found} == {"garage.cars"}


def test_a_packages_own_module_has_the_packages_name(tmp_path: Path) -> None:
    (tmp_path / "garage").mkdir()
    source = tmp_path / "garage" / "__init__.py"
    source.write_text('"""A package."""')
    assert [one.title for one in notes(tmp_path, source)] == ["garage"]


def test_what_python_cannot_parse_has_none(tmp_path: Path) -> None:
    for text in (b"def (", b"\xff\xfe", b"x = 1\0"):
        source = tmp_path / "broken.py"
        source.write_bytes(text)
        assert list(notes(tmp_path, source)) == []
    assert list(notes(tmp_path, tmp_path / "missing.py")) == []


def test_tests_and_installed_packages_are_left_out(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py", "test/d.py", "site-packages/e/f.py", "b/tests/g.py", "h.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sources(tmp_path) == [tmp_path / "a.py", tmp_path / "b" / "c.py"]


def test_an_id_is_the_title_or_a_digest_of_it() -> None:
    plain = Note("json.loads", "", "json", "function", 1)
    odd = Note("größe." + "x" * 200, "", "größe", "function", 1)
    assert plain.id == "json.loads"
    assert odd.id == odd.id != odd.title
    assert re.fullmatch(ID_PATTERN, odd.id)


def test_this_pythons_own_library_gives_notes() -> None:
    root = standard_library()
    found = {one.title: one for one in notes(root, root / "json" / "__init__.py")}
    assert found["json"].kind == "module"
    assert "Deserialize" in found["json.loads"].body
    assert len(sources(root)) > 300
