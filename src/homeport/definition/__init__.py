"""The definition: `homeport.toml` and the HOMEPORT_* variables that win over it."""

from homeport.definition.loading import FILE_NAME, load, locate, read_schema
from homeport.definition.models import (
    BUILT_IN,
    Adapter,
    Adapters,
    CollectionSettings,
    Definition,
    FieldSettings,
    Limits,
    Search,
    Server,
)
from homeport.definition.problems import DefinitionError, Problem, dotted
from homeport.definition.starter import STARTER

__all__ = [
    "BUILT_IN",
    "FILE_NAME",
    "STARTER",
    "Adapter",
    "Adapters",
    "CollectionSettings",
    "Definition",
    "DefinitionError",
    "FieldSettings",
    "Limits",
    "Problem",
    "Search",
    "Server",
    "dotted",
    "load",
    "locate",
    "read_schema",
]
