"""Memberships in the table: one item under the space, one under the identity, written together,
and the number of an identity's spaces beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeport.adapters.aws.items import Item
from homeport.adapters.aws.table import (
    BEYOND,
    COUNT,
    MEMBERS,
    SEPARATOR,
    SPACES,
    item_key,
    member_key,
    space_key,
)
from homeport.adapters.aws.table_calls import Busy, Lost, Refused, Table
from homeport.domain import limits
from homeport.domain.errors import Conflict
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.writes import Guard, GuardFailed
from homeport.domain.ports.id_factory import IdFactory

_TOKEN_CHARACTERS: Final = 32


def check_role(guard: Guard, item: Item | None) -> None:
    """Raise GuardFailed unless the membership that the item holds is what the guard wants."""
    role = None if item is None else Role(item["r"]["S"])
    if role not in guard.roles:
        raise GuardFailed(role)


def guard_check(guard: Guard) -> dict[str, Any]:
    """The guard as an item of a transaction."""
    check = _conditional(member_key(guard.space, guard.identity), *_in_roles(guard))
    return {"ConditionCheck": check}


class Memberships:
    """Who belongs to which space."""

    def __init__(self, table: Table, ids: IdFactory) -> None:
        self._table = table
        self._ids = ids

    def check_guard(self, guard: Guard | None) -> None:
        """Raise GuardFailed unless the guard holds now."""
        if guard is not None:
            check_role(guard, self._table.get(member_key(guard.space, guard.identity)))

    def put(self, membership: Membership, guard: Guard | None) -> None:
        """As the port's `put_membership`."""
        space, identity = membership.space, membership.identity
        role = {"r": {"S": membership.role.value}}
        own = _is_own(guard, space, identity)
        member = member_key(space, identity)
        in_space = {"Put": {"Item": space_key(identity, space) | role}}
        change = [{"Put": {"Item": member | role, **_as_member(guard, own)}}, in_space]
        if not own:  # whoever's own role is checked is a member already
            create = [
                {"Put": {"Item": member | role, **_refusal("attribute_not_exists(#0)")}},
                in_space,
                {"Update": _counted(identity)},
            ]
            refused = self._try(create, guard)
            if refused is None:
                return
            if not refused.fails(0):
                raise Conflict(f"An identity can be in {limits.SPACES} shared spaces.")
        refused = self._try(change, None if own else guard)
        if refused is None:
            return
        if own and guard is not None:
            check_role(guard, refused.item(0))
        self.put(membership, guard)  # it was removed in between

    def remove(self, space: str, identity: str, guard: Guard | None) -> None:
        """As the port's `remove_membership`."""
        own = _is_own(guard, space, identity)
        member = member_key(space, identity)
        refused = self._try(
            [
                {"Delete": {"Key": member, **_as_member(guard, own)}},
                {"Delete": {"Key": space_key(identity, space)}},
                {"Update": _counted(identity, leaving=True)},
            ],
            None if own else guard,
        )
        if refused is not None and own and guard is not None:
            check_role(guard, refused.item(0))

    def get(self, space: str, identity: str) -> Membership | None:
        item = self._table.get(member_key(space, identity))
        return None if item is None else Membership(space, identity, Role(item["r"]["S"]))

    def of_space(self, space: str) -> list[Membership]:
        found = self._table.query_all(
            KeyConditionExpression="#0 = :0",
            ExpressionAttributeNames={"#0": "pk"},
            ExpressionAttributeValues={":0": {"S": f"{space}{SEPARATOR}{MEMBERS}"}},
        )
        return [Membership(space, item["sk"]["S"], Role(item["r"]["S"])) for item in found]

    def of_identity(self, identity: str) -> list[Membership]:
        found = self._table.query_all(
            KeyConditionExpression="#0 = :0 AND #1 > :1",  # beyond the count
            ExpressionAttributeNames={"#0": "pk", "#1": "sk"},
            ExpressionAttributeValues={
                ":0": {"S": f"{identity}{SEPARATOR}{SPACES}"},
                ":1": {"S": BEYOND},
            },
        )
        return [Membership(item["sk"]["S"], identity, Role(item["r"]["S"])) for item in found]

    def _try(self, items: list[dict[str, Any]], guard: Guard | None) -> Refused | None:
        """Do the items, with the guard's check before them: nothing, or their refusal.

        Each attempt is the same transaction with the same token, so one that was done though
        its answer was lost is not done, and not judged, once more.
        """
        checks = [] if guard is None else [guard_check(guard)]
        token = self._ids.secret()[:_TOKEN_CHARACTERS]
        patience = self._table.patience()
        while True:
            try:
                self._table.transact(checks + items, token)
                return None
            except Refused as refused:
                if guard is not None and refused.fails(0):
                    check_role(guard, refused.item(0))
                return Refused(refused.items[len(checks) :])
            except Lost as lost:
                patience.after_trouble(lost.error)
            except Busy as busy:
                patience.after(busy)


def _is_own(guard: Guard | None, space: str, identity: str) -> bool:
    """Whether the guard asks for the very membership that is written: a transaction takes an
    item once, so the guard is then that write's condition."""
    return guard is not None and (guard.space, guard.identity) == (space, identity)


def _as_member(guard: Guard | None, own: bool) -> dict[str, Any]:
    if own and guard is not None:
        return _conditional({}, *_in_roles(guard), keyed=False)
    return _refusal("attribute_exists(#0)")


def _in_roles(guard: Guard) -> tuple[str, Mapping[str, str], Mapping[str, Any]]:
    values = {f":{place}": {"S": role} for place, role in enumerate(sorted(guard.roles))}
    return f"#0 IN ({', '.join(values)})", {"#0": "r"}, values


def _refusal(condition: str) -> dict[str, Any]:
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#0": "pk"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _conditional(
    key: dict[str, Any],
    condition: str,
    names: Mapping[str, str],
    values: Mapping[str, Any],
    *,
    keyed: bool = True,
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return {"Key": key, **request} if keyed else request


def _counted(identity: str, *, leaving: bool = False) -> dict[str, Any]:
    """One space more, or less, of an identity."""
    update: dict[str, Any] = {
        "Key": item_key(f"{identity}{SEPARATOR}{SPACES}", COUNT),
        "UpdateExpression": "ADD #0 :0",
        "ExpressionAttributeNames": {"#0": "n"},
        "ExpressionAttributeValues": {":0": {"N": "-1" if leaving else "1"}},
    }
    if not leaving:
        update["ConditionExpression"] = "attribute_not_exists(#0) OR #0 < :1"
        update["ExpressionAttributeValues"][":1"] = {"N": str(limits.SPACES)}
    return update
