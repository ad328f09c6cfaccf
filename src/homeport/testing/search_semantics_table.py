"""What is asked of the corpus, and what must be found: the table of the semantics suite.

`python -m homeport.testing.search_semantics` prints it for people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from homeport.domain.ports.search_index import Capability
from homeport.domain.search import SearchRequest


@dataclass(frozen=True, slots=True)
class Row:
    """One query. `finds` are ids, with a space between; where the query sorts, in their order.

    `unstemmed` is what an index finds that does not go by stems, where that is something else.
    `facets` are values and how often they come, in their order; `highlights` are fragments of
    titles, by id. An index that lacks what the row `needs` refuses it.
    """

    part: str
    who: str
    asked: SearchRequest
    finds: str
    unstemmed: str | None = None
    facets: Mapping[str, str] = field(default_factory=dict)
    highlights: Mapping[str, str] = field(default_factory=dict)
    needs: Capability | None = None

    def found(self, *, stems: bool) -> list[str]:
        """The ids that an index finds."""
        text = self.finds if stems or self.unstemmed is None else self.unstemmed
        return text.split()

    def __str__(self) -> str:
        asked = self.asked
        parts = [asked.q or "", *(f"[{one}]" for one in asked.filters)]
        for name in ("space", "collection", "sort"):
            parts += [f"{name}={value}"] if (value := getattr(asked, name)) else []
        return " ".join(filter(None, parts)) or "everything"


def _row(part: str, who: str, finds: str, **asked: Any) -> Row:
    told: dict[str, Any] = {name: asked.pop(name) for name in _TOLD if name in asked}
    if "facets" in told:
        asked["facets"] = tuple(told["facets"])
    if part in _NEEDS:
        told["needs"] = _NEEDS[part]
    if part == "Highlights":
        asked["highlight"] = ("title",)
    return Row(part, who, SearchRequest(**asked), finds, **told)


def _own(part: str, finds: str, *filters: str, **asked: Any) -> Row:
    """Of ann's own notes."""
    return _row(part, "ann", finds, filters=filters, space="me", collection="notes", **asked)


_TOLD: Final = ("unstemmed", "facets", "highlights")
_NEEDS: Final = {"Places": Capability.GEO, "Nearly so": Capability.FUZZY}
_RUNS: Final = "asyncio doctest html importlib signal subprocess timeit typing"
_LISTS: Final = "array bisect heapq itertools json"

ROWS: Final = (
    _row("Words", "ann", _LISTS, q="list", unstemmed="array bisect heapq itertools"),
    _row("Words", "ann", _LISTS, q="LIST", unstemmed="array bisect heapq itertools"),
    _row("Words", "ann", _LISTS, q="lists", unstemmed="json"),
    _row("Words", "ann", "bisect heapq", q="list item"),
    _row("Words", "ann", "bisect heapq", q="list items", unstemmed=""),
    _row("Words", "ann", _RUNS, q="run", unstemmed="html typing"),
    _row("Words", "ann", _RUNS, q="running", unstemmed="asyncio signal subprocess"),
    _row("Words", "ann", "unicodedata", q="naïve"),
    _row("Words", "ann", "unicodedata", q="NAÏVE Ä"),
    _row("Words", "ann", "zipfile", q="zip"),
    _row("Words", "ann", "long", q="needle"),
    _row("Words", "ann", "", q="cache heap"),
    _row("Words", "ann", "", q="nowhere"),
    _row("Words", "ann", "", q="?!"),
    _row("Without words", "ann", "array itertools json", q="list -sorted",
         unstemmed="array heapq itertools"),
    _row("Without words", "ann", "collections dataclasses enum sqlite3", q="-list",
         filters=("kind:data",)),
    _row("Without words", "ann", "bisect heapq", q='list -"than a list" -next* -lazy -json'),
    _row("Without words", "ann", "array itertools json", q='list -"the list"',
         unstemmed="array itertools"),
    _row("Without words", "ann", "html", q="script -nowhere"),
    _row("Phrases", "ann", "array", q='"numbers of one type"'),
    _row("Phrases", "ann", "", q='"of numbers one"'),
    _row("Phrases", "ann", "difflib", q="line-by-line"),
    _row("Phrases", "ann", "subprocess", q='"running other programs"'),
    _row("Phrases", "ann", "", q='"files csv"'),
    _row("Phrases", "ann", "long", q='"the needle stands"'),
    _row("Beginnings", "ann", "bisect heapq operator", q="sort*"),
    _row("Beginnings", "ann", "operator", q="SORT* key"),
    _row("Beginnings", "ann", "", q="sort* -sorting"),
    _row("Beginnings", "ann", "dataclasses difflib enum unicodedata", q="compar*", space="me"),
    _row("Beginnings", "ann", "unicodedata", q="naï*"),
    _own("Keywords", "functools itertools operator", "kind:iteration"),
    _own("Keywords", "", "kind:Iteration"),
    _own("Keywords", "", "kind:iter"),
    _own("Keywords", "array collections dataclasses sqlite3", "kind:data", "done:false"),
    _row("Keywords", "ann", "functools itertools", filters=("tags:lazy",)),
    _row("Keywords", "ann", "configparser csv tomllib", filters=("tags:files", "tags:text")),
    _row("Keywords", "ann", "configparser csv json tomllib", q="text", filters=("kind:formats",)),
    _row("Keywords", "ann", "", filters=("nowhere:x",)),
    _row("Numbers", "ann", "importlib itertools", filters=("pages:12",)),
    _own("Numbers", "bisect", "pages:3.5"),
    _own("Numbers", "collections enum pathlib re sqlite3", "pages:>=14"),
    _own("Numbers", "array bisect html operator string tempfile textwrap", "pages:3..5"),
    _own("Numbers", "bisect html operator", "pages:>3", "pages:<5"),
    _own("Numbers", "minus", "pages:<0"),
    _own("Dates", "functools itertools", "seen:2024-01-05"),
    _own("Dates", "functools itertools minus", "seen:<2024-01-06"),
    _own("Dates", "configparser re struct tomllib", "seen:2024-02-03..2024-02-11"),
    _own("Dates", "sqlite3 tempfile zipfile", "seen:2024-03-04.."),
    _row("Words of a field", "ann", "bisect heapq", filters=("title~list",)),
    _row("Words of a field", "ann", "bisect", filters=("body~list", "title~sorted")),
    _row("Words of a field", "ann", "", filters=("kind~data",)),
    _own("Places", "functools itertools", "home:48.2082,16.3738,1m"),
    _own("Places", "functools itertools operator", "home:48.2,16.5,20km"),
    _own("Places", "collections functools heapq itertools operator", "home:48.2082,16.3738,60km"),
    _own("Places", "bisect", "home:47.07,15.44,5000"),
    _own("Places", "dataclasses json", "home:90,0,1500km"),
    _own("Places", "array", "home:-16,-179.9,800km"),
    _own("Places", "array enum", "home:-16,180,1000km"),
    _own("Places", "array bisect collections csv dataclasses enum functools heapq itertools json "
         "operator", "home:48.2082,16.3738,21000km"),
    _own("Places", "functools operator", "home:48.2082,16.3738,200km", "kind:iteration",
         q="-list"),
    _own("Places", "functools itertools operator collections heapq bisect",
         "home:48.2082,16.3738,200km", sort="home:48.2082,16.3738",
         facets={"kind": "data 3, iteration 3"}),
    _own("Places", "collections heapq bisect dataclasses enum array sqlite3", "kind:data",
         sort="home:48.2082,16.3738"),
    _own("Places", "array enum bisect dataclasses collections heapq sqlite3", "kind:data",
         sort="home:-16,180"),
    _row("Places", "ann", "asyncio queue threading argparse email http logging signal socket ssl "
         "subprocess urllib", sort="home:48.2082,16.3738", space="team", collection="notes"),
    _row("Places", "ann", "bisect heapq itertools", q="list",
         filters=("home:48.2082,16.3738,200km",)),
    _row("Places", "eve", "unittest", filters=("home:48.2082,16.3738,200km",)),
    _row("Nearly so", "ann", "array bisect heapq itertools", q="lsit~"),
    _row("Nearly so", "ann", "bisect", q="SORTD~"),
    _row("Nearly so", "ann", "difflib", q="sequence~"),
    _row("Nearly so", "ann", "heapq", q="heapp~ list"),
    _row("Nearly so", "ann", "textwrap", q="pargraph~ lines"),
    _row("Nearly so", "ann", "", q="ra~"),
    _row("Nearly so", "ann", "", q="nowhree~"),
    _row("Nearly so", "ann", "argparse email tomllib", q="-jsno~ parses",
         unstemmed="argparse email"),
    _own("Nearly so", "bisect heapq", "title~lsit~"),
    _own("Nearly so", "shutil tempfile", q="foldesr~", highlight=("title",),
         highlights={"shutil": "Copying whole <em>folders</em>"}),
    _row("Nearly so", "eve", "timeit", q="clokc~"),
    _own("Order", "minus tomllib textwrap bisect html operator array string tempfile heapq "
         "unicodedata struct csv zipfile functools shutil difflib json dataclasses itertools "
         "configparser collections enum pathlib re sqlite3", sort="pages"),
    _own("Order", "sqlite3 re pathlib enum collections configparser itertools dataclasses difflib "
         "json functools shutil csv zipfile struct heapq unicodedata array string tempfile html "
         "operator bisect textwrap tomllib minus", sort="-pages"),
    _own("Order", "minus functools itertools operator collections heapq bisect enum dataclasses "
         "csv json configparser tomllib struct re string textwrap html unicodedata pathlib shutil "
         "tempfile zipfile sqlite3 array difflib", sort="seen"),
    _row("Order", "ann", "argparse logging http urllib socket ssl signal subprocess queue asyncio "
         "threading email", sort="-seen", space="team", collection="notes"),
    _own("Order", "array bisect collections dataclasses enum heapq sqlite3 pathlib shutil tempfile "
         "zipfile configparser csv html json struct tomllib functools itertools operator minus "
         "difflib re string textwrap unicodedata", sort="kind"),
    _row("Order", "ann", "argparse difflib re string textwrap unicodedata doctest email "
         "configparser csv json tomllib sqlite3", q="text", sort="-kind", collection="notes",
         unstemmed="argparse difflib re string textwrap unicodedata doctest email configparser csv "
         "json tomllib sqlite3"),
    _own("Facets", "array bisect collections dataclasses enum heapq sqlite3", "kind:data",
         facets={"done": "false 4, true 3"}),
    _row("Facets", "eve", "abc contextlib doctest importlib inspect long pdb profile timeit typing "
         "unittest", facets={"kind": "language 6, tools 3, testing 2", "done": "false 6, true 5"}),
    _row("Facets", "ann", "", q="nowhere", facets={"kind": ""}),
    _own("Facets", "csv json pathlib shutil", "done:true", "seen:2024-02-01..2024-03-01",
         "pages:>=8",
         facets={"tags": "files 3, text 2, web 1", "pages": "8 1, 9 1, 10 1, 18 1",
                 "seen": "2024-02-01T00:00:00Z 2, 2024-03-01T00:00:00Z 2"}),
    _own("Ranges", "functools itertools operator", "kind:iteration",
         facets={"pages:<10,>=10": "<10 2, >=10 1", "kind": "iteration 3"}),
    _own("Ranges", "array bisect collections dataclasses enum heapq sqlite3", "kind:data",
         facets={"pages:..3.5,3.5..,100..": "..3.5 1, 3.5.. 7, 100.. 0",
                 "seen:<2024-01-15,2024-01-15..2024-01-31,>=2024-02-01":
                 "<2024-01-15 3, 2024-01-15..2024-01-31 2, >=2024-02-01 1"}),
    _row("Ranges", "eve", "abc contextlib doctest importlib inspect long pdb profile timeit typing "
         "unittest", facets={"pages:>10": ">10 6", "nowhere:<1": "<1 0"}),
    _row("Ranges", "ann", "", q="nowhere", facets={"pages:<5,>=5": "<5 0, >=5 0"}),
    _own("Stretches of time", "functools itertools operator", "kind:iteration",
         facets={"seen:day": "2024-01-05T00:00:00Z 2, 2024-01-06T00:00:00Z 0, "
                 "2024-01-07T00:00:00Z 1"}),
    _row("Stretches of time", "ann", "asyncio queue threading", space="team", collection="notes",
         filters=("seen:2024-03-10..2024-03-11",),
         facets={"seen:hour": "2024-03-10T21:00:00Z 1, 2024-03-10T22:00:00Z 0, "
                 "2024-03-10T23:00:00Z 1, 2024-03-11T00:00:00Z 1"}),
    _row("Stretches of time", "eve", "abc contextlib doctest importlib inspect long pdb profile "
         "timeit typing unittest",
         facets={"seen:week": "2024-04-01T00:00:00Z 7, 2024-04-08T00:00:00Z 2, "
                 "2024-04-15T00:00:00Z 1",
                 "seen:month": "2024-04-01T00:00:00Z 10"}),
    _own("Stretches of time", "bisect collections enum functools heapq itertools minus operator",
         "seen:..2024-01-15",
         facets={"seen:month": "2023-12-01T00:00:00Z 1, 2024-01-01T00:00:00Z 7",
                 "seen:year": "2023-01-01T00:00:00Z 1, 2024-01-01T00:00:00Z 7"}),
    _row("Stretches of time", "ann", "", q="nowhere", facets={"seen:month": ""}),
    _own("Highlights", "html", q="html -nowhere",
         highlights={"html": "Escaping &lt;b&gt;<em>HTML</em>&lt;/b&gt; &amp; friends"}),
    _own("Highlights", "bisect", q='"sorted list"',
         highlights={"bisect": "Bisecting a <em>sorted</em> <em>list</em>"}),
    _own("Highlights", "array minus struct", q="numb*",
         highlights={"array": "Arrays of plain <em>numbers</em>"}),
    _own("Highlights", "unicodedata", q="ä ß",
         highlights={"unicodedata": "Zeichen mit Namen: <em>Ä</em>, é, <em>ß</em>"}),
    _own("Highlights", "shutil", q="archive folders",
         highlights={"shutil": "Copying whole <em>folders</em>"}),
    _row("Who may read what", "ann", "heapq queue", q="queue"),
    _row("Who may read what", "ben", "queue sched", q="queue"),
    _row("Who may read what", "eve", "", q="queue"),
    _row("Who may read what", "eve", "profile timeit", q="clock", unstemmed="timeit"),
    _row("Who may read what", "guest", "profile timeit", q="clock", unstemmed="timeit"),
    _row("Who may read what", "ann", "march", space="team", collection="minutes"),
    _row("Who may read what", "ann", "importlib march", q="module"),
    _row("Who may read what", "ben", "importlib random", q="module"),
    _row("Who may read what", "ben", "cooking plan", q="draft"),
    _row("Who may read what", "ann", "plan", q="draft"),
    _row("Who may read what", "ben", "plan", collection="drafts", space="team"),
    _row("Who may read what", "eve", "", collection="drafts"),
    _row("Who may read what", "ann", "", q="numbers", space="team"),
)  # fmt: skip
"""Whose notes they are, and who they are, see the corpus. All sort by nothing but key unless they
say so: hits by relevance come in an order that is each engine's own."""


def markdown() -> Iterator[str]:
    """The table, line by line."""
    for part, rows in groupby(ROWS, key=lambda row: row.part):
        yield f"## {part}"
        yield ""
        yield "| who | asks for | finds | without stems |"
        yield "|---|---|---|---|"
        yield from map(_line, rows)
        yield ""


def _line(row: Row) -> str:
    finds = _ids(row.finds)
    for name, counts in row.facets.items():
        told = counts or "nothing"
        finds += f"; `{name}`: `{told}`" if ":" in name else f"; {name}: {told}"
    for id, fragment in row.highlights.items():
        finds += f"; {id}: `{fragment}`"
    plain = "the same" if row.unstemmed in (None, row.finds) else _ids(str(row.unstemmed))
    return f"| {row.who} | `{row}` | {finds} | {plain} |"


def _ids(text: str) -> str:
    return ", ".join(text.split()) or "nothing"
