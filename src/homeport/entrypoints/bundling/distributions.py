"""Installed packages: what they need in turn, and which of their files a function needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from homeport.entrypoints.bundling.faults import BundleFault

_SOURCES: Final = frozenset({".c", ".cpp", ".h", ".pxd", ".pyc", ".pyi", ".pyx"})
"""What only those who build or check a package need."""
_RECORDS: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "py.typed"})
"""What pip notes about this very installation; it holds paths and would not be the same twice."""
_EXTRAS: Final = ("aws", "opensearch", "schema")
"""Those of Homeport's extras that a function may need."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a function runs on: a version of Python, and a machine as `uname -m` names it."""

    python: tuple[int, int]
    machine: str

    @property
    def version(self) -> str:
        return ".".join(map(str, self.python))

    @property
    def glibc(self) -> tuple[int, int]:
        """Of Lambda's Python: up to 3.11 on Amazon Linux 2, then on Amazon Linux 2023."""
        return (2, 26) if self.python <= (3, 11) else (2, 34)

    def markers(self) -> dict[str, str]:
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.version}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.version}.0",
            "python_version": self.version,
            "sys_platform": "linux",
        }


def needed(names: Iterable[str], target: Target) -> dict[str, str]:
    """These packages and all that they need: canonical name -> version, as installed here.

    Raises BundleFault where one is not.
    """
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            sentence = f"The package {wanted.name} is not installed. Run: pip install "
            raise BundleFault(sentence + _bringing(key[0])) from None
        found[key[0]] = distribution.version
        for line in distribution.requires or ():
            requirement = Requirement(line)
            environments = [{"extra": extra, **target.markers()} for extra in ("", *wanted.extras)]
            marker = requirement.marker
            if marker is None or any(marker.evaluate(one) for one in environments):
                waiting.append(requirement)
    return dict(sorted(found.items()))


def _bringing(name: str) -> str:
    """What to install for a package to be there: the extra that has it, at a version that fits."""
    listed = "boto3" if name == "botocore" else name
    for line in metadata.requires("homeport") or ():
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != listed or requirement.marker is None:
            continue
        for extra in _EXTRAS:
            if requirement.marker.evaluate({"extra": extra}):
                return f"'homeport[{extra}]'"
    return name


def providers_of(package: str) -> Sequence[str]:
    """The installed distributions that bring a top-level package; none for a local one."""
    return sorted(set(metadata.packages_distributions().get(package, ())))


def files_of(
    names: Mapping[str, str], folder: Path | None = None
) -> Iterator[tuple[PurePosixPath, Path]]:
    """Each file, as its path in a bundle and where it is: of what is installed here, or in
    `folder`."""
    for name in names:
        distribution = _distribution(name, folder)
        for file in distribution.files or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            if file.suffix in _SOURCES or file.name in _RECORDS:
                continue
            yield PurePosixPath(file), Path(str(file.locate()))


def too_new(names: Mapping[str, str], target: Target, folder: Path | None = None) -> list[str]:
    """Packages that need a newer system than the target's, as sentences."""
    told = []
    for name in names:
        least = _glibc_of(_distribution(name, folder))
        if least is not None and least > target.glibc:
            needs, has = (".".join(map(str, one)) for one in (least, target.glibc))
            told.append(
                f"{name} is built for glibc {needs}, and Lambda's Python {target.version} has "
                f"{has}: it will not load there. Choose a newer --python."
            )
    return told


def _glibc_of(distribution: Distribution) -> tuple[int, int] | None:
    """The oldest glibc that a wheel runs on; None for one without code of a machine's own."""
    tags = [
        line.rpartition("-")[2]
        for line in (distribution.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag:")
    ]
    versions = []
    for tag in tags:
        head, _, rest = tag.partition("_")
        if head == "manylinux":
            major, minor, *_ = rest.split("_")
            versions.append((int(major), int(minor)))
        elif head == "manylinux2014":
            versions.append((2, 17))
    return min(versions, default=None)


def _distribution(name: str, folder: Path | None) -> Distribution:
    if folder is None:
        return metadata.distribution(name)
    for one in metadata.distributions(path=[str(folder)]):
        if canonicalize_name(one.metadata["Name"]) == name:
            return one
    raise BundleFault(f"pip did not bring {name}.")
