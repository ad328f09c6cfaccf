"""Who may do what, level by level."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from homeport.domain import access
from homeport.domain.errors import Forbidden, NotFound
from homeport.domain.model.collection import Access, Catalog, Collection
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import OWNERS, READERS, WRITERS, Membership, Role
from homeport.domain.model.query import Scope
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Guard, GuardFailed
from tests.unit.domain.tables import check

ANN = Principal("ann", Kind.USER)
GUEST = Principal("guest", Kind.GUEST)
ADMIN = Principal("root", Kind.USER, ("admin",))
LEVELS = Catalog(
    [
        *(Collection(f"read_{level.value}", read=level) for level in Access if level != "author"),
        *(Collection(f"write_{level.value}", read=Access.ANYONE, write=level) for level in Access),
        Collection("plain"),
    ]
)


def outcome(
    decide: Callable[[Principal, str, str, Catalog], access.Grant],
    principal: Principal,
    space: str,
    collection: str,
    catalog: Catalog = LEVELS,
) -> object:
    """What a decision comes to: the roles that the guard asks for, or a word."""
    try:
        grant = decide(principal, space, collection, catalog)
    except (NotFound, Forbidden) as error:
        return type(error).__name__
    if grant.guard is not None:
        assert grant.guard.space == space
        assert grant.guard.identity == principal.id
        return grant.guard.roles
    return "author" if grant.by_author_only else "yes"


def outcomes(
    decide: Callable[[Principal, str, str, Catalog], access.Grant], collection: str
) -> list[object]:
    """In one's own space, in public, in public as a guest, and in a shared space."""
    return [
        outcome(decide, principal, space, collection)
        for principal, space in ((ANN, "ann"), (ANN, "public"), (GUEST, "public"), (ANN, "team"))
    ]


def test_reading_by_level() -> None:
    levels: list[tuple[str, list[object]]] = [
        ("owner", ["yes", "NotFound", "NotFound", OWNERS]),
        ("members", ["yes", "NotFound", "NotFound", READERS]),
        ("signed_in", ["yes", "yes", "NotFound", "yes"]),
        ("anyone", ["yes", "yes", "yes", "yes"]),
        ("admin", ["NotFound", "NotFound", "NotFound", "NotFound"]),
    ]
    check(lambda level: outcomes(access.reading, f"read_{level}"), levels)


def test_writing_by_level() -> None:
    levels: list[tuple[str, list[object]]] = [
        ("owner", ["yes", "Forbidden", "Forbidden", OWNERS]),
        ("members", ["yes", "Forbidden", "Forbidden", WRITERS]),
        ("author", ["author", "author", "Forbidden", WRITERS]),
        ("signed_in", ["yes", "yes", "Forbidden", "yes"]),
        ("anyone", ["yes", "yes", "yes", "yes"]),
        ("admin", ["Forbidden", "Forbidden", "Forbidden", "Forbidden"]),
    ]
    check(lambda level: outcomes(access.changing, f"write_{level}"), levels)


def test_author_access_in_a_shared_space_asks_for_both_the_role_and_the_author() -> None:
    grant = access.changing(ANN, "team", "write_author", LEVELS)
    assert grant == access.Grant(Guard("team", "ann", WRITERS), by_author_only=True)


def test_author_access_asks_for_the_author_also_where_reading_has_a_guard_of_its_own() -> None:
    catalog = Catalog([Collection("minutes", write=Access.AUTHOR)])
    grant = access.changing(ANN, "team", "minutes", catalog)
    assert grant == access.Grant(Guard("team", "ann", WRITERS), by_author_only=True)


def test_administrators_get_what_names_them_and_nothing_else() -> None:
    assert outcome(access.reading, ADMIN, "public", "read_admin") == "yes"
    assert outcome(access.reading, ADMIN, "ann", "read_owner") == OWNERS


def test_undeclared_collections_are_private_only() -> None:
    assert outcome(access.reading, ANN, "ann", "anything") == "yes"
    assert outcome(access.reading, ANN, "public", "anything") == "NotFound"
    assert outcome(access.creating, ANN, "public", "anything") == "NotFound"
    refusing = Catalog(refuse_undeclared=True)
    assert outcome(access.reading, ANN, "ann", "anything", refusing) == "NotFound"
    assert outcome(access.creating, ANN, "ann", "anything", refusing) == "NotFound"
    assert outcome(access.reading, ANN, "ann", "inbox", refusing) == "yes"


def test_public_collections_default_to_anyone_reading_and_authors_writing() -> None:
    assert outcome(access.reading, GUEST, "public", "plain") == "yes"
    assert outcome(access.creating, GUEST, "public", "plain") == "Forbidden"
    assert outcome(access.creating, ANN, "public", "plain") == "author"


def test_a_drop_box_takes_what_its_writers_cannot_read_back() -> None:
    box = Catalog([Collection("box", read=Access.OWNER, write=Access.ANYONE)])
    assert outcome(access.creating, GUEST, "ann", "box", box) == "yes"
    # A change would answer with the record: it takes the right to read.
    assert outcome(access.changing, GUEST, "ann", "box", box) == OWNERS


@pytest.mark.parametrize(("role", "error"), [(None, NotFound), (Role.READER, Forbidden)])
def test_a_failed_guard_shows_only_what_the_caller_can_see(
    role: Role | None, error: type[Exception]
) -> None:
    refusal = access.refusal(GuardFailed(role), ANN, "team", "notes", Catalog())
    assert type(refusal) is error


def test_a_failed_guard_shows_nothing_of_a_collection_that_only_owners_read() -> None:
    for role in (None, Role.WRITER, Role.READER):
        refusal = access.refusal(GuardFailed(role), ANN, "team", "read_owner", LEVELS)
        assert type(refusal) is NotFound


def covered(scopes: tuple[Scope, ...], space: str, collection: str) -> bool:
    return any(scope.covers(Key(space, collection, "x")) for scope in scopes)


def test_the_scopes_of_a_search_are_what_reading_allows() -> None:
    catalog = Catalog(
        [
            Collection("profile", read=Access.ANYONE),
            Collection("audit", read=Access.ADMIN),
            Collection("keys", read=Access.OWNER),
            Collection("news"),
        ]
    )
    member = (Membership("team", "ann", Role.READER), Membership("club", "ann", Role.OWNER))
    scopes = access.readable_scopes(ANN, catalog, member)
    assert covered(scopes, "ann", "notes")
    assert covered(scopes, "ann", "keys")
    assert not covered(scopes, "ann", "audit")
    assert covered(scopes, "team", "notes")
    assert not covered(scopes, "team", "keys")
    assert covered(scopes, "club", "keys")
    assert not covered(scopes, "elsewhere", "notes")
    assert covered(scopes, "elsewhere", "profile")
    assert covered(scopes, "public", "news")
    assert not covered(scopes, "public", "notes")
    assert not covered(scopes, "public", "inbox")


def test_memberships_of_others_give_nothing() -> None:
    scopes = access.readable_scopes(ANN, Catalog(), (Membership("team", "bob", Role.OWNER),))
    assert not covered(scopes, "team", "notes")


def test_a_search_can_be_narrowed() -> None:
    member = (Membership("team", "ann", Role.READER),)
    scopes = access.readable_scopes(ANN, Catalog(), member, "team", "notes")
    assert scopes == (Scope("team", "notes"),)
    assert access.readable_scopes(ANN, Catalog(), (), "ann") == (Scope("ann", None),)


def test_narrowing_to_what_is_not_there_for_the_caller_finds_nothing() -> None:
    with pytest.raises(NotFound):
        access.readable_scopes(ANN, Catalog(), (), "bob")
    with pytest.raises(NotFound):
        access.readable_scopes(ANN, Catalog(), (), "public", "secrets")


def test_open_collections_reach_into_other_spaces_when_narrowed() -> None:
    catalog = Catalog([Collection("profile", read=Access.ANYONE)])
    assert access.readable_scopes(ANN, catalog, (), "bob") == (Scope("bob", "profile"),)


def test_open_collections_do_not_show_in_a_search_of_another_collection() -> None:
    catalog = Catalog([Collection("profile", read=Access.ANYONE)])
    assert access.readable_scopes(ANN, catalog, (), None, "notes") == (Scope("ann", "notes"),)
