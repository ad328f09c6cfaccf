"""Which Python the servers run on: the system's own, where it has this version.

A distribution's Python is built with what its compiler learnt from runs of it. One that was
compiled on the machine usually is not, and takes a quarter longer for all it does; the servers
that are compared with come as optimised programs too.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = Path("build/bench-python")
_NAME: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_BINARY: Final = "import sysconfig; print(sysconfig.get_config_var('SOABI'))"
"""What compiled packages must be for."""


def run_on_the_systems() -> None:
    """Go on with the same command there, with this environment's packages; return where this is
    the system's, or it has none."""
    if Path(sys.prefix) == ENVIRONMENT.absolute():
        return
    found = shutil.which(_NAME, path=os.defpath)
    if found is None or Path(found).samefile(sys.executable) or not _takes_packages(found):
        return
    program = _environment(found)
    main = sys.modules["__main__"].__spec__
    assert main is not None  # benchmarks are run as modules
    os.execv(program, [str(program), "-m", main.name, *sys.argv[1:]])  # noqa: S606


def _takes_packages(python: str) -> bool:
    told = subprocess.run(
        [python, "-I", "-c", _BINARY], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() == str(sysconfig.get_config_var("SOABI"))


def _environment(python: str) -> Path:
    """An environment of `python` with the packages of this one; its program."""
    made = ENVIRONMENT.absolute()
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", made], check=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(made)})
    lines = [f"import site; site.addsitedir({one!r})\n" for one in site.getsitepackages()]
    Path(packages, "bench.pth").write_text("".join(lines))
    program, command = made / "bin" / "python", made / "bin" / "homeport"
    command.write_text(
        f"#!{program}\nimport sys\nfrom homeport.entrypoints.cli import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    return program
