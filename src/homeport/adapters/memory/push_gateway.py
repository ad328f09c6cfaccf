"""A push gateway that keeps what it would send."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Collection

from homeport.domain import limits
from homeport.domain.devices import check_target
from homeport.domain.errors import Unavailable
from homeport.domain.model.data import encode
from homeport.domain.model.device import PushOutcome, PushTarget
from homeport.domain.ports.push_gateway import Push


class MemoryPushGateway:
    """Every accepted push stands in `outbox` as (endpoint, target, push), oldest first."""

    def __init__(self) -> None:
        self.outbox: list[tuple[str, PushTarget, Push]] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._targets: dict[str, PushTarget] = {}
        self._disabled: set[str] = set()
        self._answers: deque[PushOutcome | Unavailable] = deque()

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        check_target(target)
        with self._lock:
            name = self._find(target)
            if name is None and endpoint is not None:
                known = self._targets.get(endpoint)
                if known is not None and (known.platform, known.environment) == (
                    target.platform,
                    target.environment,
                ):
                    name = endpoint
            if name is None:
                name = f"memory:{next(self._numbers)}"
            self._targets[name] = target
            self._disabled.discard(name)
            return name

    def unregister(self, endpoint: str) -> None:
        with self._lock:
            self._targets.pop(endpoint, None)
            self._disabled.discard(endpoint)

    def send(self, endpoint: str, push: Push) -> PushOutcome:
        with self._lock:
            if self._answers:
                answer = self._answers.popleft()
                if isinstance(answer, Unavailable):
                    raise answer
                return answer
            target = self._targets.get(endpoint)
            if target is None or endpoint in self._disabled:
                return PushOutcome.STALE
            if len(encode(push.payload).encode()) > limits.PUSH_BYTES:
                return PushOutcome.TOO_LARGE
            self.outbox.append((endpoint, target, push))
            return PushOutcome.ACCEPTED

    def recent(
        self, endpoints: Collection[str], limit: int = 100
    ) -> list[tuple[str, PushTarget, Push]]:
        """The last pushes to those of these endpoints that are still registered, the newest
        first. Not part of the port."""
        with self._lock:
            wanted = set(endpoints) & self._targets.keys()
            mine = (one for one in reversed(self.outbox) if one[0] in wanted)
            return list(itertools.islice(mine, limit))

    def disable(self, endpoint: str) -> None:
        """What the provider's feedback does to an endpoint whose app is gone. For tests."""
        with self._lock:
            self._disabled.add(endpoint)

    def answer_next(self, *answers: PushOutcome | Unavailable) -> None:
        """Give these answers to the next sends, one each, instead of sending. For tests."""
        with self._lock:
            self._answers.extend(answers)

    def _find(self, target: PushTarget) -> str | None:
        return next((name for name, one in self._targets.items() if one == target), None)
