"""Drawn queries: the emulated CloudSearch finds what a reader of its pages would count by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator, Field
from homeport.testing.cloudsearch.query import (
    And,
    Bounds,
    Literal,
    MatchAll,
    Near,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    Range,
    Term,
)
from homeport.testing.cloudsearch.structured import parse
from tests.cloudsearch_requests import found, started, upload

WORDS = ("red", "reed", "green", "blue", "blues")
EXACT = Field("text", analysis_scheme="exact")
FIELDS: dict[str, str | Field] = {
    "title": EXACT, "plot": EXACT, "*_t": EXACT, "kinds": "literal-array", "year": "int",
}  # fmt: skip


@dataclass(frozen=True)
class Film:
    title: str
    plot: str
    more_t: str
    kinds: tuple[str, ...]
    year: int

    def document(self) -> dict[str, object]:
        return {**vars(self), "kinds": list(self.kinds)}


def films() -> dict[str, Film]:
    """Each word in each field somewhere, beside each other word somewhere else."""
    made: dict[str, Film] = {}
    for nth in range(25):
        one, two = WORDS[nth % 5], WORDS[nth // 5]
        made[f"f{nth:02}"] = Film(
            title=f"{one} {two}",
            plot=" ".join(WORDS[: nth % 4 + 1]) or "red",
            more_t=two,
            kinds=(f"{one}'s", two.title()),
            year=nth % 7 - 3,
        )
    return made


FILMS = films()


@pytest.fixture(scope="module")
def domain() -> Iterator[CloudSearchEmulator]:
    with started(FIELDS, schemes={"exact": AnalysisScheme()}) as domain:
        batch = [{"type": "add", "id": id, "fields": film.document()} for id, film in FILMS.items()]
        assert upload(domain, batch).status == 200
        domain.settle()
        yield domain


Test = Callable[[Film], bool]
Case = tuple[str, Test]
"""A query as it is written, and what it means."""


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def texts(film: Film, field: str | None) -> list[list[str]]:
    """The words of the fields that are searched: of all static texts where none is named."""
    named = [film.title, film.plot] if field is None else [str(getattr(film, field))]
    return [text.split() for text in named]


def everything_case() -> Case:
    return "matchall", lambda _: True


def year_case(year: int) -> Case:
    return f"year:{year}", lambda film: film.year == year


def words_case(words: list[str], field: str | None) -> Case:
    text = quoted(" ".join(words).upper())
    written = f"{field}:{text}" if field else text
    return written, lambda film: any(set(words) <= set(one) for one in texts(film, field))


def phrase_case(words: list[str], field: str | None) -> Case:
    option = f"field={field} " if field else ""
    size = len(words)

    def holds(film: Film) -> bool:
        return any(
            one[at : at + size] == words for one in texts(film, field) for at in range(len(one))
        )

    return f"(phrase {option}{quoted(' '.join(words))})", holds


def prefix_case(start: str, field: str | None) -> Case:
    option = f"field={field} " if field else ""
    return f"(prefix {option}{quoted(start)})", lambda film: any(
        word.startswith(start) for one in texts(film, field) for word in one
    )


def kind_case(kind: str, *, prefix: bool) -> Case:
    if prefix:
        return f"(prefix field=kinds {quoted(kind)})", lambda film: any(
            one.startswith(kind) for one in film.kinds
        )
    return f"kinds:{quoted(kind)}", lambda film: kind in film.kinds


def range_case(low: int | None, high: int | None, *, with_low: bool, with_high: bool) -> Case:
    opening = "[" if with_low and low is not None else "{"
    closing = "]" if with_high and high is not None else "}"
    if low is None and high is None:
        low, opening = 0, "["
    told = f"{opening}{'' if low is None else low},{'' if high is None else high}{closing}"

    def holds(film: Film) -> bool:
        above = low is None or (film.year >= low if opening == "[" else film.year > low)
        below = high is None or (film.year <= high if closing == "]" else film.year < high)
        return above and below

    return f"(range field=year {told})", holds


def joined(operator: str, cases: list[Case], boost: float | None) -> Case:
    option = f"boost={boost} " if boost else ""
    combine = all if operator == "and" else any
    written = " ".join(case[0] for case in cases)
    return f"({operator} {option}{written})", lambda film: combine(case[1](film) for case in cases)


def negated(case: Case) -> Case:
    return f"(not {case[0]})", lambda film: not case[1](film)


FIELD = st.sampled_from([None, "title", "plot", "more_t"])
YEAR = st.none() | st.integers(-4, 5)
LEAVES = st.one_of(
    st.builds(everything_case),
    st.builds(words_case, st.lists(st.sampled_from(WORDS), min_size=1, max_size=2), FIELD),
    st.builds(phrase_case, st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), FIELD),
    st.builds(prefix_case, st.sampled_from(["r", "re", "red", "b", "blues", "x"]), FIELD),
    st.builds(
        kind_case, st.sampled_from(["Red", "red's", "red", "Blue", "B"]), prefix=st.booleans()
    ),
    st.builds(range_case, YEAR, YEAR, with_low=st.booleans(), with_high=st.booleans()),
    st.builds(year_case, st.integers(-4, 5)),
)
CASES: st.SearchStrategy[Case] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            joined,
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=1, max_size=4),
            st.sampled_from([None, 0.5, 3]),
        ),
        inner.map(negated),
    ),
    max_leaves=12,
)


@given(case=CASES)
def test_a_query_finds_what_it_means(domain: CloudSearchEmulator, case: Case) -> None:
    written, holds = case
    expected = [id for id, film in FILMS.items() if holds(film)]
    assert found(domain, written) == expected
    assert found(domain, "matchall", fq=written) == expected


NAME = st.from_regex(r"[a-z][a-z0-9_]{2,8}", fullmatch=True)
BOOST = st.sampled_from([1.0, 0.5, 2.0])
TEXT = st.text(min_size=1, max_size=10)
VALUE = TEXT.map(lambda text: Literal(text, quoted=True)) | st.integers().map(
    lambda number: Literal(str(number), quoted=False)
)
STRING = TEXT.map(lambda text: Literal(text, quoted=True))


@st.composite
def bounds(draw: st.DrawFn) -> Bounds:
    low, high = draw(st.none() | VALUE), draw(VALUE)
    return Bounds(low, high, low is not None and draw(st.booleans()), draw(st.booleans()))


SIMPLE_NODES: st.SearchStrategy[Query] = st.one_of(
    st.just(MatchAll()),
    st.builds(Term, STRING, st.none(), BOOST),
    st.builds(Term, VALUE, NAME, BOOST),
    st.builds(Phrase, TEXT, st.none() | NAME, BOOST),
    st.builds(Prefix, TEXT, st.none() | NAME, BOOST),
    st.builds(Near, TEXT, st.integers(1, 99), st.none() | NAME, BOOST),
    st.builds(Range, bounds(), NAME, BOOST),
)
NODES = st.recursive(
    SIMPLE_NODES,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=1, max_size=4).map(tuple), BOOST),
        st.builds(Or, st.lists(inner, min_size=1, max_size=4).map(tuple), BOOST),
        st.builds(Not, inner, BOOST),
    ),
    max_leaves=6,
)


def literal(value: Literal | None) -> str:
    if value is None:
        return ""
    return quoted(value.text) if value.quoted else value.text


def printed(query: Query) -> str:
    """A tree in structured syntax, with every option written out."""
    if isinstance(query, MatchAll):
        return "matchall"
    options = f"boost={query.boost}"
    if not isinstance(query, And | Or | Not) and query.field:
        options += f" field={query.field}"
    match query:
        case And() | Or():
            operands = "\n".join(printed(one) for one in query.operands)
            return f"({type(query).__name__.lower()} {options} {operands})"
        case Not():
            return f"(not {options} {printed(query.operand)})"
        case Term():
            return f"( term {options} {literal(query.value)} )"
        case Range():
            one = query.bounds
            opening, closing = "[" if one.with_low else "{", "]" if one.with_high else "}"
            return f"(range {options} {opening}{literal(one.low)} , {literal(one.high)}{closing})"
        case Near():
            return f"(near {options} distance={query.distance} {quoted(query.text)})"
        case Phrase() | Prefix():
            return f"({type(query).__name__.lower()} {options} {quoted(query.text)})"
        case _:
            raise AssertionError(query)


@given(query=NODES)
def test_a_tree_that_is_printed_is_read_again(query: Query) -> None:
    assert parse(printed(query)) == query
