"""The indexes behind the aliases: which one answers, and which ones are written to.

    PREFIX             the alias that searches ask: one index
    PREFIX-write       what changes go to: that index, and one that is being filled
    PREFIX-000001      an index; the next one has the next number
    PREFIX-000001-in   an alias of that one index. Changes go there, since a server makes no index
                       of its own accord for what must be an alias: a lost index stays lost

Every process reads the aliases anew when what it knows is 5 seconds old, and at once where an
index that it used is gone.

The index template PREFIX remembers the newest index that there was. Where that is gone, and no
rebuild has begun, another is made in its place, and what it is made for says that it is `lost`:
changes go on, and searches wait until a rebuild has filled one again.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from homeport.adapters.opensearch.errors import Refused, gone
from homeport.adapters.opensearch.layout import META, Layout
from homeport.adapters.opensearch.server import Server, address
from homeport.domain.errors import Conflict, Unavailable

log: Final = logging.getLogger("homeport.search")

KNOWN_SECONDS: Final = 5.0
"""For how long what the aliases say is taken to be still so."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """`live` is the index that answers, `fresh` a newer one, `older` are others that are left."""

    live: str | None
    fresh: str | None
    older: tuple[str, ...]

    @property
    def written(self) -> tuple[str, ...]:
        return tuple(one for one in (self.live, self.fresh) if one is not None)


class Generations:
    """`monotonic` is a clock in seconds that only goes on; `now` is the time, in microseconds."""

    def __init__(
        self,
        server: Server,
        layout: Layout,
        prefix: str,
        now: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._layout = layout
        self._now = now
        self._monotonic = monotonic
        self._number = re.compile(rf"{re.escape(prefix)}-(\d{{6}})\Z").match
        self.alias: Final = prefix
        self._writing: Final = f"{prefix}-write"
        self._pattern: Final = f"{prefix}-0*"
        self._template: Final = prefix
        self._lock: Final = threading.Lock()
        self._known: Aliases | None = None
        self._swept: Aliases | None = None
        self._read_at = 0.0
        self._known_live = ""
        """The last one that answered, as far as this process knows."""
        self._meta: dict[str, Mapping[str, Any]] = {}

    def aliases(self) -> Aliases:
        """What there is, by what is known. Makes an index where there is none.

        Raises Unavailable where the one that answered is gone, and a rebuild has begun.
        """
        known = self._known
        if known is not None and self._monotonic() - self._read_at < KNOWN_SECONDS:
            return known
        with self._lock:
            if self._known is not known and self._known is not None:
                return self._known
            return self._look()

    def forget(self) -> None:
        """Look anew the next time."""
        with self._lock:
            self._known = None

    def candidate(self) -> tuple[str | None, str]:
        """A newer index than the one that answers, however far its rebuild had come; and the
        name that the next one would have."""
        found = self._read()
        self._meta.pop(found.fresh or "", None)  # another process may have made it anew
        return found.fresh, self._after(*_all(found), self.newest() or "")

    def newest(self) -> str | None:
        """The last index that was made, whether or not it is still there; None where none ever
        was, as far as the server remembers."""
        try:
            answer = self._server.ask(
                "GET", address("_index_template", self._template), doing=_DOING, expected=(404,)
            )
        except Refused:
            return None
        for one in answer.get("index_templates", ()):
            held = one["index_template"].get("_meta", {}).get(META, {})
            return str(held.get("newest", "")) or None
        return None

    def read(self) -> Aliases:
        """What there is by now. Changes nothing."""
        return self._read()

    def begin(self, index: str) -> None:
        """Make a new index, which nothing is written to yet. Raises Conflict where another
        process has just made it."""
        self._create(index, {}, {})

    def write_to(self, fresh: str) -> None:
        """Let changes go to a new index too."""
        try:
            self._change([{"add": {"index": fresh, "alias": self._writing}}])
        except Refused as exc:
            raise Conflict("Another process has ended this rebuild.") from exc

    def swap(self, fresh: str, grace: float) -> None:
        """Let a new index answer in the live one's place. The old one goes, `grace` seconds
        later at the soonest: whoever looks at the aliases by then deletes it."""
        live = self._read().live
        if live == fresh:
            return  # the answer to an attempt before this one was lost
        self._describe(fresh, filled=True)
        actions: list[Any] = [
            {"add": {"index": fresh, "alias": self.alias}},
            {"add": {"index": fresh, "alias": self._writing}},
        ]
        if live is not None:
            if grace > 0:
                self._describe(live, until=self._now() + round(grace * 1_000_000))
            actions += [
                {"remove": {"index": live, "alias": name, "must_exist": True}}
                for name in (self.alias, self._writing)
            ]
        try:
            self._change(actions)
        except Refused as exc:
            if self._read().live != fresh:
                raise Conflict("Another process has changed which index answers.") from exc
        if live is not None and grace <= 0:
            self._delete(live)

    def superseded(self, index: str) -> bool:
        """Whether this index, or a newer one, answers by now."""
        live = self._read().live
        return live is not None and index <= live

    def drop(self, index: str) -> None:
        """Delete a new index, whether or not it is there. Raises Conflict where it answers by
        now: the process that filled it may have been taken for dead as it let it answer."""
        if self._read().live == index:
            raise Conflict("Another process has ended this rebuild: its index answers.")
        self._delete(index)

    def _delete(self, index: str) -> None:
        try:
            self._server.ask("DELETE", address(index), doing=_DOING, expected=(404,))
        except Refused:
            pass
        finally:
            self._meta.pop(index, None)
            self.forget()

    def sweep(self, found: Aliases) -> None:
        """Delete indexes whose time is over, once after each look at the aliases."""
        if self._swept is not found:
            self._swept = found
            for index in found.older:
                until = self._meta_of(index).get("until")
                if until is None or until <= self._now():
                    self._delete(index)

    def described(self, index: str) -> Mapping[str, Any]:
        """What an index was made for, and what became of it; nothing where it is not ours."""
        held = self._meta.get(index)
        if held is None:
            held = self._meta[index] = self._meta_of(index)
        return held

    def add_properties(self, index: str, properties: Mapping[str, Any]) -> None:
        """Let an index take fields that were declared since it was made. What it was made for
        stays as it was: older documents lack them."""
        self._server.ask(
            "PUT", address(index, "_mapping"), {"properties": properties}, doing=_DOING
        )

    def _look(self) -> Aliases:
        """With the lock held."""
        found = self._read()
        if found.live is None:
            if found.fresh is not None:
                raise gone("looking for it")
            self._server.check()
            found = self._made()
            if found.live is None:
                raise Unavailable("The search index is being made: try again.")
        elif not self._known_live:
            self._server.check()
        self._known_live = found.live
        self._known, self._read_at = found, self._monotonic()
        return found

    def _made(self) -> Aliases:
        """What there is once an index was made where there was none."""
        newest = self.newest() or ""
        found = self._read()  # only now: whoever was faster made its index before it is the newest
        if found.live is not None:
            return found
        index = self._after(*_all(found), newest, self._known_live)
        lost = index != self._after()
        if lost:
            log.error(
                "The search index was deleted: changes go into a new one, and searches wait for "
                "homeport index rebuild"
            )
        with suppress(Conflict):  # another process was faster
            self._create(
                index,
                {self.alias: {}, self._writing: {}},
                {META: {**self._layout.described(), "lost": True}} if lost else {},
            )
        return self._read()

    def _after(self, *indexes: str) -> str:
        """The name of an index that comes after all these."""
        return f"{self.alias}-{max(map(self._number_of, indexes), default=0) + 1:06}"

    def _read(self) -> Aliases:
        answer = self._server.ask("GET", address(self._pattern, "_alias"), doing=_DOING)
        indexes = sorted(name for name in answer if self._number(name))
        live = [one for one in indexes if self.alias in answer[one]["aliases"]]
        if not live:
            written = [one for one in indexes if self._writing in answer[one]["aliases"]]
            return Aliases(None, written[-1] if written else None, tuple(indexes))
        newer = [one for one in indexes if one > live[-1]]
        fresh = newer[-1] if newer else None
        others = tuple(one for one in indexes if one not in (live[-1], fresh))
        return Aliases(live[-1], fresh, others)

    def _create(self, index: str, aliases: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        self._put_template(self.newest())
        made: dict[str, Any] = {"aliases": {f"{index}{_OWN}": {}, **aliases}}
        if meta:
            made["mappings"] = {"_meta": meta}
        try:
            self._server.ask(
                "PUT",
                address(index),
                made,
                doing=_MAKING,
                expected=(400,),
            )
        except Refused as exc:
            if exc.kind == "resource_already_exists_exception":
                raise Conflict("Another process has just begun to rebuild the index.") from exc
            raise Unavailable(f"The search index cannot be made: {exc.reason[:300]}", 60) from exc
        self._put_template(index)

    def _put_template(self, newest: str | None) -> None:
        template: dict[str, Any] = {
            "index_patterns": [self._pattern],
            "priority": 500,
            "template": self._layout.template(serverless=self._server.serverless),
        }
        if newest is not None:
            template["_meta"] = {META: {"newest": newest}}
        self._server.ask("PUT", address("_index_template", self._template), template, doing=_MAKING)

    def _describe(self, index: str, **more: Any) -> None:
        held = {**self._meta_of(index), **more}
        meta = {"_meta": {META: held}}
        self._server.ask("PUT", address(index, "_mapping"), meta, doing=_DOING)
        self._meta[index] = held

    def _meta_of(self, index: str) -> Mapping[str, Any]:
        try:
            answer = self._server.ask(
                "GET",
                address(index, "_mapping"),
                doing=_DOING,
                params={"filter_path": "*.mappings._meta"},
                expected=(404,),
            )
        except Refused:
            return {}
        for one in answer.values():
            held: Mapping[str, Any] = one["mappings"].get("_meta", {}).get(META, {})
            return held
        return {}

    def _change(self, actions: list[Any]) -> None:
        """All of these, or none. Raises Refused where one cannot be done."""
        try:
            self._server.ask(
                "POST", "/_aliases", {"actions": actions}, doing=_DOING, expected=(400, 404)
            )
        finally:
            self.forget()

    def _number_of(self, index: str) -> int:
        found = self._number(index)
        return int(found[1]) if found else 0


def own_alias(index: str) -> str:
    """The alias that this index alone has."""
    return index + _OWN


def _all(found: Aliases) -> tuple[str, ...]:
    return (*found.written, *found.older)


_OWN: Final = "-in"
_DOING: Final = "looking after the search index"
_MAKING: Final = "making the search index"
