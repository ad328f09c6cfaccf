"""Runs plain synchronous functions on an event loop, many at once.

A handler that has to wait for something, such as a commit, calls `wait(future)`: its greenlet
is put aside, the loop goes on with other work, and the handler goes on when the future is done.
Neither the handler nor the domain below it needs `async`.

Making a greenlet costs as much as a short handler, so they are kept and used again. One greenlet
runs job after job until none is left; only a job that waits costs a switch.

Jobs of several steps, such as searches, can be served in cohorts: `pause()` between two steps
puts a job aside until the others of its cohort have come as far.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it has no types of its own

Job = TypeVar("Job")
T = TypeVar("T")
P = ParamSpec("P")

JOBS_A_TURN: Final = 64
"""After so many jobs, or half of all, the loop gets a turn, so that what jobs wait for can
happen."""
COHORT: Final = 32
"""Jobs that go through their steps side by side, at most."""
IDLE: Final = 64
"""Greenlets kept for later. More are let go when they have nothing to do."""


class Pool(Generic[Job]):
    """Calls `serve` with each job, in greenlets on `loop`. `serve` must not raise.

    `threads` is the size of the thread pool that `offload` uses, and `cohort` how many jobs
    `pause` holds together at most.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        serve: Callable[[Job], None],
        threads: int,
        cohort: int = COHORT,
    ) -> None:
        self.loop: Final = loop
        self.context: Final = contextvars.Context()
        """That jobs are resumed in, instead of a copy for each. One thread can be in it."""
        self.threads: Final = ThreadPoolExecutor(threads, thread_name_prefix="homeport-offload")
        self._serve = serve
        self._jobs: deque[Job] = deque()
        self._idle: list[_Worker] = []
        self._awake = False
        self._left = 0
        self._cohort = cohort
        self._joining: list[_Worker] = []
        self._paused: list[_Worker] = []
        self._stepping = False
        self._marching = False

    @property
    def waiting(self) -> int:
        """Jobs that no greenlet has begun."""
        return len(self._jobs)

    def submit(self, job: Job) -> None:
        """Have the job served soon. Call it on the loop's thread."""
        self._jobs.append(job)
        if not self._awake:
            self._awake = True
            self.loop.call_soon(self._turn)

    def close(self) -> None:
        """Let the threads go. Greenlets need no closing."""
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _turn(self) -> None:
        """Hand jobs to greenlets until none is left, or for long enough."""
        jobs = self._jobs
        is_full = len(self._joining) >= self._cohort
        self._left = 0 if is_full else max(JOBS_A_TURN, len(jobs) // 2)
        while jobs:
            if not self._left:
                self.loop.call_soon(self._turn)
                return
            worker = self._idle.pop() if self._idle else _Worker(self, self._work)
            worker.switch()
        self._awake = False

    def pause(self, worker: _Worker) -> None:
        """Put `worker` aside until the others of its cohort have come as far.

        A step's code and data fill the processor's caches. Taken by one job after the other,
        each step finds them there; taken by turns, each would fetch them anew.
        """
        if self._stepping and worker.in_cohort:
            self._paused.append(worker)
        elif self._marching or self._jobs:
            worker.in_cohort = True
            self._joining.append(worker)
            if len(self._joining) >= self._cohort:
                self._left = 0  # a full cohort goes before more jobs begin
            if not self._marching:
                self._marching = True
                self.loop.call_soon(self._step)
        else:
            return  # nobody to wait for
        _suspend()

    def _step(self) -> None:
        """Let each job of the cohort take its next step; the loop has a turn before another."""
        cohort = self._paused
        if cohort:
            self._paused = []
        else:
            # All have ended, or wait for something else: those that came meanwhile are next.
            cohort, self._joining = self._joining, []
        going = iter(cohort)
        self._stepping = True
        try:
            for worker in going:
                worker.switch()
        finally:
            # Should one have raised, against its promise, those behind it still go on.
            self._joining[:0] = going
            self._stepping = False
            self._marching = bool(self._paused or self._joining)
            if self._marching:
                self.loop.call_soon(self._step)

    def _work(self) -> None:
        """What a greenlet does all its life."""
        jobs, serve, idle = self._jobs, self._serve, self._idle
        this = cast("_Worker", getcurrent())
        loop_greenlet = cast(greenlet, this.parent)
        while True:
            while jobs and self._left:
                self._left -= 1
                this.in_cohort = False
                serve(jobs.popleft())
            if len(idle) >= IDLE:
                return
            idle.append(this)
            loop_greenlet.switch()


class _Worker(greenlet):  # type: ignore[misc]  # untyped
    """One of a pool's greenlets. Its parent is the one that the loop runs in."""

    def __init__(self, pool: Pool[Any], work: Callable[[], None]) -> None:
        super().__init__(work)
        self.pool: Final = pool
        self.in_cohort = False
        """Whether its job has paused before."""


def wait(future: asyncio.Future[T]) -> T:
    """What the future comes to, waiting for it without holding up the loop.

    For jobs of a pool only, with a future of that pool's loop. Raises what the future raises.
    """
    if not future.done():
        this = _current()
        future.add_done_callback(this.switch, context=this.pool.context)
        _suspend()
    return future.result()


def offload(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread while this job waits; outside of a pool, just call it."""
    this = getcurrent()
    if not isinstance(this, _Worker):
        return function(*args, **kwargs)
    pool = this.pool
    return wait(pool.loop.run_in_executor(pool.threads, lambda: function(*args, **kwargs)))


def pause() -> None:
    """Let the jobs of this one's cohort come as far; outside of a pool, nothing."""
    this = getcurrent()
    if isinstance(this, _Worker):
        this.pool.pause(this)


class Wakeup:
    """Suspends the current job until it is called, or until `cancel`, whichever is first."""

    __slots__ = ("_worker", "over")

    def __init__(self) -> None:
        self._worker: _Worker | None = _current()
        self.over = False

    def __call__(self, _: object = None) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.switch()

    def cancel(self) -> None:
        """Wake the job with `over` set: it has waited too long."""
        self.over = self._worker is not None
        self()

    def wait(self) -> None:
        _suspend()


def _current() -> _Worker:
    this = getcurrent()
    if isinstance(this, _Worker):
        return this
    raise RuntimeError("only a job of a greenlet pool can wait")


def _suspend() -> None:
    cast(greenlet, getcurrent().parent).switch()
