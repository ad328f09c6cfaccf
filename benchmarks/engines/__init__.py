"""Search engines, each behind its adapter and by itself."""
