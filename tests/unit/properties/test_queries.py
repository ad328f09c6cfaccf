"""Whatever is asked for is understood or refused."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.domain.errors import Invalid
from homeport.domain.filter_parser import FieldRoles, parse_condition, to_filters
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.query import All, Node, Not, Phrase, Prefix, Words
from homeport.domain.query_parser import parse_query

ODD = "ab-* \"'\u2019._@éß日न्ि\u0300🦊\x00\x1f\n\u202e\ud800\ufffe%_<>=;,#“”"
LUCENE = '+ - && || ! ( ) { } [ ] ^ " ~ * ? : \\ /'
ROLES = FieldRoles(
    Catalog(
        [Collection("books", fields={role.value: FieldDeclaration(role) for role in FieldRole})]
    ),
    "books",
)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=f"{LUCENE}{ODD}", max_size=40))
def test_no_text_raises_and_no_sign_gets_through(text: str) -> None:
    for word in _words(parse_query(text)):
        assert any(map(str.isalnum, word))
        assert not set(word) & set('+-&|!(){}[]^"~*?:\\/ <>=;,\x00')


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*(role.value for role in FieldRole), "x.y", ""]),
    st.text(alphabet=':~<>=.-+"\\0e5Zé \x00\ud800', max_size=20),
)
def test_any_text_is_a_filter_or_invalid(field: str, rest: str) -> None:
    with contextlib.suppress(Invalid):
        assert to_filters(parse_condition(field + rest), ROLES)


def _words(node: Node) -> list[str]:
    match node:
        case Words(text) | Prefix(text):
            return [text]
        case Phrase(words):
            return list(words)
        case Not(inner):
            return _words(inner)
        case All(nodes):
            return [word for one in nodes for word in _words(one)]
    return []
