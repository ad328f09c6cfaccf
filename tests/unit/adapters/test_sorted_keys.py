"""The sorted set behind the memory store's orders, against a plain sorted list."""

from __future__ import annotations

import random

import pytest

from homeport.adapters.memory import sorted_keys
from homeport.adapters.memory.sorted_keys import SortedKeys


@pytest.mark.parametrize("seed", range(10))
def test_it_holds_what_a_sorted_list_holds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_keys, "_RUN", 8)
    draw = random.Random(seed)
    keys: SortedKeys[int] = SortedKeys()
    held: list[int] = []
    for _ in range(300):
        if held and draw.random() < 0.4:
            gone = draw.choice(held)
            held.remove(gone)
            keys.remove(gone)
        else:
            new = draw.choice([max(held, default=0) + 1, draw.randrange(1000)])
            if new not in held:
                held.append(new)
                held.sort()
                keys.add(new)
        place = draw.randrange(-5, 1005)
        assert list(keys.after(None)) == held
        assert list(keys.before(None)) == held[::-1]
        assert list(keys.after(place)) == [key for key in held if key > place]
        assert list(keys.before(place)) == [key for key in held[::-1] if key < place]
