"""What is done between two steps of longer work, where requests share the processor with it."""

from __future__ import annotations

from homeport.entrypoints.local import greenlets, pacing


def pause() -> None:
    """In a request, let those that came with it come as far; in longer work, let requests go
    first."""
    greenlets.pause()
    pacing.pause()
