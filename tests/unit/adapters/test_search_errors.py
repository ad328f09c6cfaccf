"""What is said of a search index that cannot be used: damage, or what is wrong around it."""

from __future__ import annotations

import errno

import pytest

from homeport.adapters.embedded.folder import FolderUnusable
from homeport.adapters.embedded.search_generation import translated
from homeport.domain.errors import Unavailable
from tests.unit.domain.tables import check

SAYS = "The search index cannot be read or written"
AROUND = (
    (
        ValueError("Internal error: 'No space left on device (os error 28)'"),
        f"{SAYS} (No space left on device). Make room on its disk.",
    ),
    (
        ValueError(
            "An IO error occurred: 'Read-only file system (os error 30) at path \"/d/.tmp1\"'"
        ),
        f"{SAYS} (Read-only file system). Let its disk be written to.",
    ),
    (
        ValueError(
            "Failed to open file for read: 'IoError { io_error: Os { code: 13, kind: "
            'PermissionDenied, message: "Permission denied" }, filepath: "meta.json" }\''
        ),
        f"{SAYS} (Permission denied). Give this user the right to write in its folder.",
    ),
    (
        OSError(errno.ENOSPC, "No space left on device", "/data/index/CURRENT.new"),
        f"{SAYS} (No space left on device). Make room on its disk.",
    ),
)
ITSELF = (
    (OSError(errno.ENOENT, "No such file", "/data"), f"{SAYS} (No such file or directory)."),
    (
        ValueError("An index writer was killed.. A worker thread encountered an error"),
        "The search index cannot be written: its disk may be full.",
    ),
    (ValueError("Schema error: /data"), "The search index does not answer."),
)


def raised(error: Exception) -> tuple[type[Unavailable], str]:
    with pytest.raises(Unavailable) as found, translated():
        raise error
    assert found.value.__cause__ is error
    return type(found.value), found.value.detail


def test_an_index_that_removing_would_not_mend_is_told_from_a_damaged_one() -> None:
    check(raised, [(error, (FolderUnusable, detail)) for error, detail in AROUND])
    check(raised, [(error, (Unavailable, detail)) for error, detail in ITSELF])
