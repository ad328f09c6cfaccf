"""`homeport index status|rebuild|verify|shadow`, where the engine allows also beside a server."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import HomeportError
from homeport.domain.model.record import Key
from homeport.entrypoints.cli.data_folder import require_database, require_folder
from homeport.entrypoints.cli.exits import Exit, Failure, fail
from homeport.entrypoints.cli.index_progress import staged
from homeport.entrypoints.cli.opening import definition_of, opened, rebuild_index, refused
from homeport.entrypoints.cli.printing import held_back

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.definition import Definition
    from homeport.domain.index_verify import Drift
    from homeport.domain.model.document import Rejection


def run(arguments: Namespace) -> int:
    _check(arguments)
    definition = definition_of(arguments)
    if definition.adapters.record_store.use == "memory":
        fail(Exit.USAGE, "The records are kept in memory: there is nothing to index here.")
    if not definition.adapters.distant:
        require_folder(definition.data_folder)
    if definition.adapters.record_store.use == "embedded" and arguments.action != "rebuild":
        require_database(definition)  # to open the backend would make one
    written = definition.search.shadow if arguments.shadow else definition.adapters.search_index
    if written is None:
        fail(Exit.USAGE, 'There is one index alone. Name another: [search] shadow = "..."')
    writes = arguments.action == "rebuild" or arguments.repair
    alone = writes and written.use == "embedded"
    with held_back(), _opened(definition, alone=alone) as backend:
        return _ACTIONS[arguments.action](_Work(backend, arguments))


class _Work:
    """What a command works on: the index that answers, or its shadow."""

    def __init__(self, backend: Backend, arguments: Namespace) -> None:
        self.backend: Final = backend
        self.arguments: Final = arguments
        self.indexing: Final = backend.shadow_indexing if arguments.shadow else backend.indexing
        shadow = backend.shadow if arguments.shadow else None
        self.index: Final = backend.index if shadow is None else shadow

    @property
    def why(self) -> str | None:
        """Why the index needs a rebuild, where it knows that itself."""
        reason: str | None = getattr(self.index, "needs_rebuild", None)
        return reason

    @property
    def lag(self) -> float | None:
        """How many seconds ago the oldest change was made that is not in the index; None where
        the feed does not tell, or knows nothing of it, since the index needs a rebuild."""
        measure = getattr(self.backend.feed, "lag", None)
        return None if measure is None or self.why else round(measure("indexing"), 3)


def _check(arguments: Namespace) -> None:
    for option, action in _OPTIONS.items():
        if getattr(arguments, option) and arguments.action != action:
            fail(Exit.USAGE, f"--{option} is for {action}.")
    if arguments.shadow and arguments.action == "shadow":
        fail(Exit.USAGE, "--shadow is for status, verify and rebuild: shadow compares both.")
    if arguments.rate is not None and not _RATE <= arguments.rate < inf:
        fail(Exit.USAGE, f"--rate is a number of records a second, {_RATE} or more.")
    if arguments.grace is not None and not 0 <= arguments.grace <= _GRACE:
        fail(Exit.USAGE, f"--grace is 0 to {_GRACE:,} seconds.")


@contextmanager
def _opened(definition: Definition, *, alone: bool) -> Iterator[Backend]:
    """The backend; unless it has to be `alone`, the index of the data folder is only looked at,
    also beside the process that has the folder."""
    with ExitStack() as opening:
        try:
            backend = opening.enter_context(opened(definition, "owner" if alone else "looking"))
        except Failure as failure:
            if alone or failure.code is not Exit.IN_USE:
                raise
            backend = opening.enter_context(opened(definition, "beside"))
        try:
            yield backend
        except HomeportError as error:
            raise refused(error) from error


def _status(work: _Work) -> int:
    status = work.index.status()
    lag = work.lag
    dead = len(work.backend.feed.dead_letters("indexing"))
    if work.arguments.json:
        _print(
            documents=status.documents,
            bytes=status.size,
            schema=status.schema,
            rebuilding=status.rebuilding,
            needs_rebuild=work.why,
            lag_seconds=lag,
            dead_letters=dead,
        )
        return Exit.OK
    state = work.why or "in use"
    if status.rebuilding:
        state += "; a rebuild has begun, and `homeport index rebuild` goes on if it was left"
    for name, value in (
        ("documents", f"{status.documents:,}"),
        ("size", "not told" if status.size is None else f"{status.size / 1_000_000:,.1f} MB"),
        ("state", state),
        ("lag", _told(lag, work.why, dead)),
        ("dead letters", f"{dead:,}"),
        ("schema", status.schema),
    ):
        print(f"{name:12}  {value}")
    return Exit.OK


def _rebuild(work: _Work) -> int:
    rebuilt = rebuild_index(
        work.backend,
        work.indexing,
        rate=work.arguments.rate,
        grace=work.arguments.grace or 0.0,
        fresh=work.arguments.fresh,
    )
    if work.arguments.json:
        _print(
            records=rebuilt.records,
            resumed=rebuilt.resumed,
            rejected=_rejections(rebuilt.rejected_count, rebuilt.rejected),
        )
        return Exit.OK
    print(f"The index holds {work.index.status().documents:,} records.")
    if rebuilt.resumed:
        print(f"It went on after {rebuilt.resumed:,}, where another rebuild had come to.")
    return Exit.OK


def _verify(work: _Work) -> int:
    reason = work.why
    if work.arguments.repair and reason is not None:
        fail(Exit.FAILED, f"A repair is not enough: {reason}. Mend it with: homeport index rebuild")
    dead = _dead_letters(work)
    with staged(work.index.status().documents) as progress:
        drift = work.indexing.verify(progress, repair=work.arguments.repair)
    mended = work.arguments.repair and drift.mended == drift.count
    code = Exit.OK if drift.clean or mended else Exit.FAILED
    if work.arguments.json:
        _print(
            clean=drift.clean,
            records=drift.records,
            indexed=drift.entries,
            missing=_listed(drift.missing_count, drift.missing),
            stale=_listed(drift.stale_count, drift.stale),
            stray=_listed(drift.stray_count, drift.stray),
            mended=drift.mended,
            rejected=_rejections(drift.rejected_count, drift.rejected),
            needs_rebuild=work.why,
            lag_seconds=work.lag,
        )
        return code
    if drift.clean:
        print(f"The index equals the {drift.records:,} records.")
        _tell_of_the_dead(work, dead)
        return code
    for what, count, keys in (
        ("missing from the index", drift.missing_count, drift.missing),
        ("at another version", drift.stale_count, drift.stale),
        ("in the index alone", drift.stray_count, drift.stray),
    ):
        if count:
            print(f"{count:,} {what}:")
            for key in keys[:10]:
                print(f"  {'/'.join(key)}")
    _tell_what_to_do(work, drift, repaired=work.arguments.repair)
    if mended:
        _tell_of_the_dead(work, dead)
    return code


def _dead_letters(work: _Work) -> set[str]:
    """Their ids, of changes that this index was to have. None of feeds that do not tell each by
    itself, which are those without a lag, nor of a shadow: they are the first index's."""
    if work.arguments.shadow or not hasattr(work.backend.feed, "lag"):
        return set()
    return {letter.id for letter in work.backend.feed.dead_letters("indexing")}


def _tell_of_the_dead(work: _Work, earlier: set[str]) -> None:
    """What the index equals now, it has the changes of."""
    if left := len(earlier & _dead_letters(work)):
        print(
            f"Dead letters whose changes are in the index by now: {left:,}. Be rid of them: "
            "homeport dead-letters redrive --all --source indexing"
        )


def _tell_what_to_do(work: _Work, drift: Drift, *, repaired: bool) -> None:
    reason = work.why
    lag = work.lag
    if reason is not None:
        print(f"The cause: {reason}.")
    elif lag:
        print(f"Changes wait to be indexed, the oldest for {lag:,.0f} seconds.")
    if not repaired:
        cure = "homeport index verify --repair" if reason is None else "homeport index rebuild"
        print(f"Mend it with: {cure}")
        return
    print(f"Mended: {drift.mended:,}.")
    for one in drift.rejected[:10]:
        print(f"The index refuses {'/'.join(one.key)}: {one.cause}")
    if drift.left:
        print(
            f"Still different: {drift.left:,}. The index is ahead of the records, as after a "
            "restore. Mend it with: homeport index rebuild --fresh"
        )


def _shadow(work: _Work) -> int:
    from homeport.entrypoints.cli.index_shadow import report

    return report(work.backend, work.arguments.queries, as_json=work.arguments.json)


def _print(**found: Any) -> None:
    print(json.dumps(found, indent=2))


def _listed(count: int, keys: Iterable[Key]) -> dict[str, Any]:
    return {"count": count, "listed": [key._asdict() for key in keys]}


def _rejections(count: int, rejected: Iterable[Rejection]) -> dict[str, Any]:
    listed = [{**one.key._asdict(), "cause": one.cause} for one in rejected]
    return {"count": count, "listed": listed}


def _told(lag: float | None, why: str | None, dead: int) -> str:
    if why:
        return "all is to be indexed anew: homeport index rebuild, or the server's next start"
    if lag is None:
        return "not told: see the age of the stream's iterator"
    if lag:
        return f"{lag:,.1f} seconds"
    return "none: no change waits" if dead else "none: all changes are indexed"


_ACTIONS = {"status": _status, "rebuild": _rebuild, "verify": _verify, "shadow": _shadow}
_OPTIONS = {
    "rate": "rebuild",
    "grace": "rebuild",
    "fresh": "rebuild",
    "repair": "verify",
    "queries": "shadow",
}
_RATE = 0.1
_GRACE = 86_400
