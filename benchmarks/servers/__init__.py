"""The servers that are measured: ours, and what it is compared with."""
