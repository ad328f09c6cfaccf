"""`homeport serve` that leaves its search index as it grew: only to compare with."""

from homeport.entrypoints.cli import main
from homeport.entrypoints.local.compaction import Compaction

Compaction.start = lambda self: None  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
