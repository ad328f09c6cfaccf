"""What holds for every test here."""

from __future__ import annotations

import gc

# Thousands of small tests make much that is let go of at once: by the usual threshold, a third of
# their time goes into collections that find nothing.
gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    """Lets collections walk what the tests make, not what was loaded for them."""
    gc.freeze()
