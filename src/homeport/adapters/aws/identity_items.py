"""How identities stand in the table: their keys, and what is in each item.

| what | `pk` | `sk` | holds |
|---|---|---|---|
| an identity | `#identity#NN` | its id | who it is, the hash of its password |
| a login | `#login#DIGEST` | `#` | the id of its account |
| a session | `#session#IDENTITY` | its id | the refresh token used last, and what it brought |
| a used or superseded token | `#session#IDENTITY` | `session#DIGEST` | when it was so |
| a key of access tokens | `#signing-keys` | its number | the key |

No space begins with `#`, so nothing of a user's stands among these; without `v` and `lk` no scan
for records and no index finds them. Digests are SHA-256 in hexadecimal: neither tokens nor
logins stand in keys, which AWS writes into its logs. What has an end has it in `ttl` as well.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, field, replace
from typing import Final

from homeport.adapters.aws.identity_table import Item, Write, conditional
from homeport.adapters.aws.table import TTL, item_key
from homeport.domain import identity as rules
from homeport.domain.model.identity import Identity, Kind

SECOND: Final = 1_000_000
BUCKETS: Final = 32
"""Identities are spread over so many partitions, for good: each takes 1,000 writes and 3,000
reads a second and holds 10 GB."""
SHOWN: Final = ("sk", "kind", "created", "login", "groups", "disabled", "ended")
"""An identity's attributes but for the password's hash."""

_SESSION: Final = "#session#"
_REMEMBERED: Final = rules.REFRESH_SECONDS * SECOND
_SECOND_ONE: Final = "second"
"""Marks a token that was never used: another that the same token brought was, or took its
place."""
_is_token = re.compile(r"[A-Za-z0-9_.-]{1,128}\.[\w-]{1,128}\.[\w-]{1,128}\Z", re.ASCII).match


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def bucket_of(identity: str) -> int:
    return zlib.crc32(identity.encode()) % BUCKETS


def bucket(number: int) -> str:
    return f"#identity#{number:02d}"


def identity_key(identity: str) -> Item:
    return item_key(bucket(bucket_of(identity)), identity)


def login_key(login: str) -> Item:
    return item_key(f"#login#{digest(login)}", "#")


def session_key(identity: str, session: str) -> Item:
    return item_key(_SESSION + identity, session)


def used_key(identity: str, session: str, token_digest: str) -> Item:
    return item_key(_SESSION + identity, f"{session}#{token_digest}")


@dataclass(frozen=True, slots=True)
class Account:
    """An identity and what only its provider knows. `ended` counts how often all its sessions
    were ended: one that began under another count is over."""

    identity: Identity
    password_hash: str | None = field(default=None, repr=False)
    ended: int = 0

    def item(self) -> Item:
        who = self.identity
        item = identity_key(who.id) | {
            "kind": {"S": who.kind.value},
            "created": number(who.created),
            "groups": groups(who.groups),
            "ended": number(self.ended),
        }
        if who.login:
            item["login"] = {"S": who.login}
        if self.password_hash is not None:
            item["password_hash"] = {"S": self.password_hash}
        return item

    def still_so(self) -> Write:
        """The part of a transaction that holds it to an identity which may have sessions, none
        of which have been ended meanwhile."""
        return {
            "ConditionCheck": {
                "Key": identity_key(self.identity.id),
                **conditional(
                    "#ended = :ended AND attribute_not_exists(#disabled)",
                    {":ended": number(self.ended)},
                ),
            }
        }


def account(item: Item) -> Account:
    who = Identity(
        id=item["sk"]["S"],
        kind=Kind(item["kind"]["S"]),
        created=int(item["created"]["N"]),
        login=item["login"]["S"] if "login" in item else "",
        groups=tuple(one["S"] for one in item["groups"]["L"]),
        disabled="disabled" in item,
    )
    kept = item["password_hash"]["S"] if "password_hash" in item else None
    return Account(who, kept, int(item["ended"]["N"]))


def groups(names: tuple[str, ...]) -> Item:
    return {"L": [{"S": one} for one in names]}


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`identity.session.secret`: what it is looked up by, and what nobody can guess."""

    identity: str
    session: str
    secret: str = field(repr=False)

    @classmethod
    def read(cls, text: str) -> RefreshToken | None:
        """The token that this is; None for what cannot be one."""
        return cls(*text.rsplit(".", 2)) if _is_token(text) else None

    @property
    def text(self) -> str:
        return f"{self.identity}.{self.session}.{self.secret}"

    @property
    def digest(self) -> str:
        return digest(self.text)


@dataclass(frozen=True, slots=True)
class Issued:
    """A refresh token as a session keeps it: its digest, and its end in microseconds since 1970,
    None for a guest's, which does not end."""

    digest: str
    expires: int | None

    def expired(self, now: int) -> bool:
        return self.expires is not None and self.expires <= now


def issued(token: RefreshToken, kind: Kind, now: int) -> Issued:
    guest = kind is Kind.GUEST
    return Issued(token.digest, None if guest else now + rules.REFRESH_SECONDS * SECOND)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """All that came of one sign-in, times in microseconds since 1970. `used` is the token that
    brought `newest`, and before that `others`, the oldest first; it was last used at `used_at`.
    `refreshed_at` is when `newest` was made. `ended` is the account's count when the session
    began."""

    identity: str
    id: str
    ended: int
    newest: Issued
    refreshed_at: int
    used: Issued | None = None
    used_at: int = 0
    others: tuple[Issued, ...] = ()

    def brought(self, token: RefreshToken) -> Issued | None:
        """The token, where it is one of those that `used` brought."""
        digest = token.digest
        return next((one for one in (self.newest, *self.others) if one.digest == digest), None)

    def rotated(self, used: Issued, newer: Issued, now: int) -> StoredSession:
        """As it is once `used`, one of those that may be, has brought `newer`."""
        return replace(self, newest=newer, others=(), refreshed_at=now, used=used, used_at=now)

    def answered_again(self, newer: Issued, now: int) -> StoredSession:
        """As it is once the used token has brought `newer` besides the others."""
        others = (*self.others, self.newest)[1 - rules.SUCCESSORS :]
        return replace(self, newest=newer, others=others, refreshed_at=now, used_at=now)

    def pushed_out(self, now: int) -> list[Write]:
        """The part of a transaction that keeps, to tell theft by, what one more answer leaves
        no room for: who holds a used token could else push its client's next one out, and
        nobody could tell."""
        oldest = (*self.others, self.newest)[: 1 - rules.SUCCESSORS]
        return [{"Put": {"Item": self._kept_unused(one, now)}} for one in oldest]

    @property
    def key(self) -> Item:
        return session_key(self.identity, self.id)

    def item(self) -> Item:
        item = self.key | {
            "ended": number(self.ended),
            "refreshed_at": number(self.refreshed_at),
            **_issued_item("newest", self.newest),
        }
        if self.used is not None:
            item |= _issued_item("used", self.used) | {"used_at": number(self.used_at)}
        if self.others:
            item["others"] = {"L": [_pair(one) for one in self.others]}
        if self.newest.expires is not None:
            item[TTL] = seconds(self.newest.expires)
        return item

    def follows(self, before: StoredSession) -> Write:
        """The part of a transaction that writes it in place of `before`, if that is still so:
        each state of a session has a newest token of its own."""
        return {
            "Put": {
                "Item": self.item(),
                **conditional("#newest = :newest", {":newest": {"S": before.newest.digest}}),
            }
        }

    def used_up(self, first: Issued, now: int) -> list[Write]:
        """The part of a transaction that keeps tokens to tell theft by, once `first` of what the
        used one brought is used: that one, and the rest of what it brought. Without those for
        which there is no use in that."""
        kept = [
            self._kept_unused(one, now)
            for one in (self.newest, *self.others)
            if one != first and not one.expired(now)
        ]
        used = self.used
        if used is not None and not used.expired(now) and self.used_at >= now - _REMEMBERED:
            kept.append(self._kept(used, self.used_at))
        return [{"Put": {"Item": one}} for one in kept]

    def _kept_unused(self, one: Issued, now: int) -> Item:
        return self._kept(one, now) | {_SECOND_ONE: {"BOOL": True}}

    def _kept(self, one: Issued, used_at: int) -> Item:
        # A guest's, which does not expire, could otherwise be kept for ever.
        until = one.expires or used_at + 2 * _REMEMBERED
        return used_key(self.identity, self.id, one.digest) | {
            "used_at": number(used_at),
            **_issued_item("used", one),
            TTL: seconds(until),
        }

    def tells_theft(self, used_up: Item, now: int) -> bool:
        """Whether a token that comes back, kept as `used_up`, is a copy in other hands: it is
        not, where it had an end of its own, or is older than what sessions remember, or may yet
        be a client's second one."""
        used_at = int(used_up["used_at"]["N"])
        if _issued("used", used_up).expired(now):
            return False
        if _SECOND_ONE in used_up and used_at + rules.REUSE_SECONDS * SECOND >= now:
            return False
        return used_at >= self.refreshed_at - _REMEMBERED


def session(item: Item) -> StoredSession:
    used = _issued("used", item) if "used" in item else None
    return StoredSession(
        identity=item["pk"]["S"].removeprefix(_SESSION),
        id=item["sk"]["S"],
        ended=int(item["ended"]["N"]),
        newest=_issued("newest", item),
        refreshed_at=int(item["refreshed_at"]["N"]),
        used=used,
        used_at=int(item["used_at"]["N"]) if used else 0,
        others=tuple(map(_of_pair, item["others"]["L"])) if "others" in item else (),
    )


def number(value: int) -> Item:
    return {"N": str(value)}


def seconds(moment: int) -> Item:
    """The first whole second at or after a moment in microseconds: what time to live takes."""
    return number(-(-moment // SECOND))


def _issued_item(name: str, token: Issued) -> Item:
    item: Item = {name: {"S": token.digest}}
    if token.expires is not None:
        item[f"{name}_expires"] = number(token.expires)
    return item


def _issued(name: str, item: Item) -> Issued:
    expires = item.get(f"{name}_expires")
    return Issued(item[name]["S"], None if expires is None else int(expires["N"]))


def _pair(token: Issued) -> Item:
    """Short: seven of them leave a session below the 1 KB that are written for one unit."""
    end = [] if token.expires is None else [number(token.expires)]
    return {"L": [{"S": token.digest}, *end]}


def _of_pair(pair: Item) -> Issued:
    digest, *end = pair["L"]
    return Issued(digest["S"], int(end[0]["N"]) if end else None)
