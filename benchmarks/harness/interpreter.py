"""Which Python the servers run on: the system's own, where it has this version.

A distribution's Python is built with what its compiler learnt from runs of it. One that was
compiled on the machine usually is not, and takes a tenth to a third longer for what it does; the
servers that are compared with come as optimised programs too.
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

_NAME: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
ENVIRONMENT: Final = Path("build", f"bench-{_NAME}")
_BINARY: Final = "import sysconfig; print(sysconfig.get_config_var('SOABI'))"
"""What compiled packages must be for."""
_COMMAND: Final = "import sys; from homeport.entrypoints.cli import main; sys.exit(main())"


def run_on_the_systems() -> None:
    """Go on with the same command there, with this environment's packages; return where this is
    the system's, or it has none that can."""
    made = ENVIRONMENT.absolute()
    if Path(sys.prefix) == made or " " in str(made):  # of which the first line of a script has none
        return
    found = shutil.which(_NAME, path=os.defpath)
    if found is None or Path(found).samefile(sys.executable) or not _takes_packages(found):
        return
    try:
        program = _environment(found)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"on this Python, since {found} makes no environment: {error}", file=sys.stderr)
        return
    print(f"on {found} (--this-python: on the one that it was started with)", flush=True)
    os.execv(program, [str(program), *sys.orig_argv[1:]])  # noqa: S606


def _takes_packages(python: str) -> bool:
    told = subprocess.run(
        [python, "-I", "-c", _BINARY], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() == str(sysconfig.get_config_var("SOABI"))


def _environment(python: str) -> Path:
    """An environment of `python` with the packages of this one; its program. One that is there
    already may be in use, and is gone on with."""
    made = ENVIRONMENT.absolute()
    program, command = made / "bin" / "python", made / "bin" / "homeport"
    if not program.exists():
        making = [python, "-m", "venv", "--without-pip", str(made)]
        subprocess.run(making, check=True, capture_output=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(made)})
    lines = [f"import site; site.addsitedir({one!r})\n" for one in site.getsitepackages()]
    Path(packages, "bench.pth").write_text("".join(lines))
    command.write_text(f"#!{program} -P\n{_COMMAND}\n")
    command.chmod(0o755)
    return program
