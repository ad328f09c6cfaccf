"""The line of every key is found again, however TOML lets one write it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.definition import STARTER
from homeport.definition.toml_lines import Path, key_lines


def paths(value: Any, path: Path = ()) -> set[Path]:
    found: set[Path] = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found |= paths(inner, (*path, index))
    return found


AWKWARD = '''\
# port = 1
a = 1 # b = 2
"quoted = key" = "x = 1 # no comment"
'literal.key' = 'C:\\'
text = """
[not.a.table]
c = 3 \\""" still text"""
raw = \'\'\'
d = 4\'\'\'
when = 1979-05-27 07:32:00
numbers = [
  1, # one
  [2, 3],

  { x = "]", y = [4] },
]
e.f . "g.h" = true
inline = { i = 1, j.k = [ ], l = {} }

[m]
[m.n.o]   # header
p = "[q]"
[ "r s" . t ]
[[u]]
v = 1
[u.w]
x = 2
[[u]]
v = 3
[[u.y]]
[[u.y]]
z = 1
[m.n]
late = -1.5e3
'''

DOCUMENTS = {"awkward": AWKWARD, "starter": STARTER, "windows": AWKWARD.replace("\n", "\r\n")}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_path_that_tomllib_reads_has_a_line(text: str) -> None:
    assert set(key_lines(text)) == paths(tomllib.loads(text))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("quoted = key",), 3),
        (("literal.key",), 4),
        (("raw",), 8),
        (("when",), 10),
        (("numbers",), 11),
        (("numbers", 0), 12),
        (("numbers", 1, 1), 13),
        (("numbers", 2, "y"), 15),
        (("e", "f", "g.h"), 17),
        (("inline", "j", "k"), 18),
        (("m",), 20),
        (("m", "n"), 33),
        (("m", "n", "o"), 21),
        (("m", "n", "o", "p"), 22),
        (("r s", "t"), 23),
        (("u", 0, "w", "x"), 27),
        (("u", 1), 28),
        (("u", 1, "y", 1, "z"), 32),
        (("m", "n", "late"), 34),
    ],
)
def test_the_line_is_the_keys_own(path: Path, line: int) -> None:
    lines = key_lines(AWKWARD)
    text = AWKWARD.split("\n")[lines[path] - 1]
    assert (lines[path], text) == (line, AWKWARD.split("\n")[line - 1])


_KEYS = st.text("ab.\"'# =[]", min_size=1, max_size=4)
_VALUES = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text("ab\"'#[]{}=,\\\n", max_size=6)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


def written(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(one):04x}" if one in '"\\\n' else one for one in value) + '"'
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{written(key)} = {written(one)}" for key, one in value.items()) + "}"
        )
    return str(value)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_it_agrees_with_tomllib_on_anything(data: dict[str, Any]) -> None:
    text = "\n".join(f"{written(key)} = {written(value)}" for key, value in data.items())
    assert tomllib.loads(text) == data
    assert set(key_lines(text)) == paths(data)
