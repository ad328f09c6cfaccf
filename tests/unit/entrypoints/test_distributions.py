"""A package that a bundle needs and is not installed here is told with what brings it."""

from __future__ import annotations

from importlib import metadata

import pytest

from homeport.entrypoints.bundling.distributions import Target, needed
from homeport.entrypoints.bundling.faults import BundleFault


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("botocore", "'homeport[aws]'"),
        ("boto3", "'homeport[aws]'"),
        ("PyJWT", "'homeport[aws]'"),
        ("opensearch-py", "'homeport[opensearch]'"),
        ("jsonschema-rs", "'homeport[schema]'"),
        ("pydantic", "pydantic"),
        ("kitchen", "kitchen"),
    ],
)
def test_what_is_missing_is_told_by_the_extra_that_has_it(
    name: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = metadata.distribution

    def distribution(wanted: str) -> metadata.Distribution:
        if wanted == name:
            raise metadata.PackageNotFoundError
        return found(wanted)

    monkeypatch.setattr(metadata, "distribution", distribution)
    with pytest.raises(BundleFault) as missing:
        needed([name], Target((3, 12), "x86_64"))
    assert str(missing.value) == f"The package {name} is not installed. Run: pip install {cure}"
