"""`search.language = "none"` is a setting as the languages are, on the indexes of one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plain_words import check_words_stay_as_written


@pytest.mark.parametrize("profile", ["memory", "embedded"])
def test_words_stay_as_they_are_written(profile: str, tmp_path: Path) -> None:
    check_words_stay_as_written({"profile": profile, "data_folder": str(tmp_path)})
