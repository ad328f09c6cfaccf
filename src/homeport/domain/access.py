"""Who may do what, decided here once and pushed into queries.

A decision is a `Grant`: what a store must check in the same transaction (a membership, the
author), or nothing more to check. Where the caller may not even read, the answer is NotFound,
so that nobody learns what is there; Forbidden is only for what the caller can see.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from homeport.domain.errors import Forbidden, NotFound
from homeport.domain.model import names
from homeport.domain.model.collection import Access, Catalog
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import OWNERS, READERS, WRITERS, Membership, Role
from homeport.domain.model.writes import Guard, GuardFailed

if TYPE_CHECKING:
    from homeport.domain.model.query import Scope

ADMINISTRATORS = "admin"
"""The group that `admin` access names."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Allowed, as long as the store finds `guard` to hold and, where asked, the author right."""

    guard: Guard | None = None
    by_author_only: bool = False


def reading(principal: Principal, space: str, collection: str, catalog: Catalog) -> Grant:
    """What reading this collection takes. Raises NotFound where nothing would do."""
    grant = _reading(principal, space, collection, catalog)
    if grant is None:
        raise NotFound
    return grant


def creating(principal: Principal, space: str, collection: str, catalog: Catalog) -> Grant:
    """What making a new record takes. Raises Forbidden, or NotFound where reading is denied."""
    level = _level(space, collection, catalog, write=True)
    grant = None if level is None else _grant(level, principal, space, WRITERS)
    if grant is not None:
        return grant
    if _reading(principal, space, collection, catalog) is None:
        raise NotFound
    raise Forbidden(f"You may not write in the collection {collection} of this space.")


def changing(principal: Principal, space: str, collection: str, catalog: Catalog) -> Grant:
    """What changing what is there takes: the right to read it too, since the answer shows it."""
    read = reading(principal, space, collection, catalog)
    write = creating(principal, space, collection, catalog)
    if read.guard is None or write.guard is None:
        return Grant(write.guard or read.guard, write.by_author_only)
    roles = read.guard.roles & write.guard.roles
    return Grant(Guard(space, principal.id, roles), write.by_author_only)


def refusal(
    failed: GuardFailed, principal: Principal, space: str, collection: str, catalog: Catalog
) -> NotFound | Forbidden:
    """What to raise for a guard that did not hold: whoever can read learns that writing is
    what they may not; others learn nothing."""
    read = _reading(principal, space, collection, catalog)
    if read is not None and (
        read.guard is None or (failed.role is not None and failed.role in read.guard.roles)
    ):
        return Forbidden(f"You may not write in the collection {collection} of this space.")
    return NotFound()


@lru_cache(1024)
def readable_scopes(
    principal: Principal,
    catalog: Catalog,
    memberships: tuple[Membership, ...],
    space: str | None = None,
    collection: str | None = None,
) -> tuple[Scope, ...]:
    """Everything that the caller may read, as the filter of a search.

    `memberships` are the caller's. `space` and `collection` narrow it; where nothing is left,
    a space that was asked for does not exist for the caller: NotFound. It depends on nothing
    else, so the last answers are kept.
    """
    return _readable_scopes(principal, catalog, memberships, space, collection)


def _readable_scopes(
    principal: Principal,
    catalog: Catalog,
    memberships: tuple[Membership, ...],
    space: str | None,
    collection: str | None,
) -> tuple[Scope, ...]:
    from homeport.domain.model.query import Scope

    roles: dict[str, Role | None] = {principal.id: None, names.PUBLIC: None}
    roles |= {one.space: one.role for one in memberships if one.identity == principal.id}
    scopes = []
    for name, role in roles.items():
        if space in (None, name):
            scopes += _scopes_of(principal, name, role, catalog, collection)
    for one in catalog.declared():
        # Open to the caller wherever the collection is, other people's spaces included.
        level = one.read
        if (
            level is not None
            and level in _OPEN
            and collection in (None, one.name)
            and space not in roles
        ):
            grant = _grant(level, principal, names.PUBLIC, READERS)
            if grant is not None:
                scopes.append(Scope(space, one.name))
    if not scopes and space is not None:
        raise NotFound
    return tuple(scopes)


_OPEN = frozenset({Access.ANYONE, Access.SIGNED_IN, Access.ADMIN})
"""Levels that do not depend on whose space it is."""


def _scopes_of(
    principal: Principal, space: str, role: Role | None, catalog: Catalog, collection: str | None
) -> list[Scope]:
    # The tree of queries takes a while to load, and only searches need it.
    from homeport.domain.model.query import Scope

    if collection is not None:
        readable = _readable(principal, space, collection, role, catalog)
        return [Scope(space, collection)] if readable else []
    besides = unreadable(principal, space, role, catalog)
    if not takes_undeclared(space, catalog):
        return [Scope(space, one.name) for one in catalog.known() if one.name not in besides]
    return [Scope(space, None, besides)]


def takes_undeclared(space: str, catalog: Catalog) -> bool:
    """Whether there can be collections in the space that nothing declares."""
    return space != names.PUBLIC and not catalog.refuse_undeclared


def unreadable(
    principal: Principal, space: str, role: Role | None, catalog: Catalog
) -> frozenset[str]:
    """Known collections that the caller, in `role`, may not read in a space that they may."""
    return frozenset(
        one.name
        for one in catalog.known()
        if not _readable(principal, space, one.name, role, catalog)
    )


def _readable(
    principal: Principal, space: str, collection: str, role: Role | None, catalog: Catalog
) -> bool:
    grant = _reading(principal, space, collection, catalog)
    return grant is not None and (grant.guard is None or role in grant.guard.roles)


def _reading(principal: Principal, space: str, collection: str, catalog: Catalog) -> Grant | None:
    level = _level(space, collection, catalog, write=False)
    return None if level is None else _grant(level, principal, space, READERS)


def _level(space: str, collection: str, catalog: Catalog, *, write: bool) -> Access | None:
    declared = catalog.find(collection)
    if declared is None:
        return Access.MEMBERS if takes_undeclared(space, catalog) else None
    level = declared.write if write else declared.read
    if level is not None:
        return level
    if space != names.PUBLIC:
        return Access.MEMBERS
    return Access.AUTHOR if write else Access.ANYONE


def _grant(level: Access, principal: Principal, space: str, roles: frozenset[Role]) -> Grant | None:
    own, public = space == principal.id, space == names.PUBLIC
    allowed = Grant(by_author_only=level is Access.AUTHOR)
    if level is Access.ANYONE:
        return allowed
    if level is Access.SIGNED_IN:
        return allowed if principal.kind is Kind.USER else None
    if level is Access.ADMIN:
        return allowed if ADMINISTRATORS in principal.groups else None
    if own:
        return allowed
    if public:
        return allowed if level is Access.AUTHOR and principal.kind is Kind.USER else None
    if level is Access.OWNER:
        roles = OWNERS
    return Grant(Guard(space, principal.id, roles), allowed.by_author_only)
