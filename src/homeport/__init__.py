"""A mobile backend made of ports."""

from typing import Final

__version__: Final = "0.1.0"
