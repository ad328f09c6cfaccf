"""A mobile backend made of ports."""
