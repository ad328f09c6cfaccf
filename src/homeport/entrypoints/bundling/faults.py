"""Why a bundle cannot be made."""

from __future__ import annotations


class BundleFault(Exception):
    """`str` is a sentence and its cure, for people."""
