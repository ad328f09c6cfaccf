"""The commands of an app's developer, as they can be typed."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Final

from homeport.domain.limits import BATCH_WRITES
from homeport.entrypoints.cli.declaring import Commands, command, definition, machine_readable

FUNCTIONS: Final = (
    "authorizer", "records", "indexing", "search", "messages", "delivery", "subscribers",
    "identity", "health",
)  # fmt: skip
"""Those of AWS Lambda, as lambdas/needs.py has them; it is not loaded for this."""
EVERY_FUNCTION: Final = "all"


def declare(commands: Commands) -> None:
    serve = command(
        commands,
        "serve",
        "start the backend",
        "Start the backend that the definition describes, on 127.0.0.1:8090 by default. Without "
        "a definition file it has a collection `notes`, which `homeport demo` fills.",
        "homeport serve",
        "homeport serve --port 9000 --data /var/lib/homeport",
        "HOMEPORT_SERVER__PORT=9000 homeport serve",
    )
    definition(serve)
    serve.add_argument("--host", help="the address to listen on; wins over the definition")
    serve.add_argument("--port", help="the port to listen on, 0 for any free one; wins as well")

    demo = command(
        commands,
        "demo",
        "load a corpus into a running backend and try everything",
        "Load the docstrings of Python's standard library through the HTTP API as two users, "
        "search them, and send a message from one to the other. It may be repeated. The users "
        "have passwords that everybody knows: run it against a backend of your own.",
        "homeport demo",
        "homeport demo --batch 90",
        "homeport demo --url http://127.0.0.1:9000",
    )
    demo.add_argument("--url", default="http://127.0.0.1:8090", help="default: %(default)s")
    demo.add_argument("--limit", type=_positive, help="load only so many notes")
    demo.add_argument(
        "--connections", type=_positive, default=4, help="to load with (default: %(default)s)"
    )
    demo.add_argument(
        "--batch", type=_batch, default=1, help="notes in a request, up to 90 (default: one by one)"
    )

    init = command(
        commands,
        "init",
        "write a commented homeport.toml",
        "Write a homeport.toml that explains every setting. An existing one stays as it is.",
        "homeport init",
        "homeport init my-app",
    )
    init.add_argument("folder", nargs="?", type=Path, default=Path(), help="default: this folder")

    routes = command(
        commands,
        "routes",
        "list the HTTP operations",
        "List every HTTP operation: method, path, name, who may call it, and the function that "
        "serves it.",
        "homeport routes",
        "homeport routes --json",
    )
    machine_readable(routes)

    openapi = command(
        commands,
        "openapi",
        "print the HTTP API's description",
        "Print the HTTP API's description: an OpenAPI 3.1 document, the same that a running "
        "backend has at /v1/openapi.json. Clients can be generated from it.",
        "homeport openapi",
        "homeport openapi --output openapi.json",
    )
    openapi.add_argument("--output", type=Path, metavar="FILE", help="write it to this file")

    bundle = command(
        commands,
        "bundle",
        "make a folder to deploy as a function on AWS Lambda",
        "Make a folder with all that one function needs with the adapters that the definition "
        "chooses, compiled by the Python that it will run on, and nothing else. The same versions "
        "give the same bytes. Packages are copied from here, or fetched by pip where they are for "
        "another Python or machine. The handler is homeport_function.handler.",
        "HOMEPORT_PROFILE=aws homeport bundle records -o build/records",
        "homeport bundle all -o build --python 3.13 --platform arm64",
        "homeport bundle subscribers -o build/subscribers --include kitchen",
    )
    bundle.add_argument("function", choices=(*FUNCTIONS, EVERY_FUNCTION), metavar="FUNCTION")
    bundle.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder to make, with one for each function in it for `all`; an older bundle "
        "is replaced",
    )
    bundle.add_argument(
        "--python",
        type=_version,
        default=sys.version_info[:2],
        help="the Python it will run on, as 3.13 (default: this one)",
    )
    bundle.add_argument(
        "--platform",
        choices=("x86_64", "arm64"),
        default="arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        help="the machine it will run on (default: this one's)",
    )
    bundle.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a package of your own, as it is imported, from this folder or installed; those "
        "that the definition names are there anyway",
    )
    bundle.add_argument(
        "--requirements",
        type=Path,
        metavar="FILE",
        help="locked requirements whose hashes fetched packages must have",
    )
    bundle.add_argument(
        "--sources",
        choices=("keep", "drop"),
        default="keep",
        help="whether the sources stay beside their bytecode (default: %(default)s)",
    )
    machine_readable(bundle)
    definition(bundle)

    completion = command(
        commands,
        "completion",
        "print a script that completes commands in a shell",
        "Print a script by which bash, zsh or fish completes commands, options and files. It "
        "knows the commands of this version: print it anew after an upgrade.",
        'eval "$(homeport completion bash)"',
        "homeport completion zsh > ~/.zfunc/_homeport",
        "homeport completion fish > ~/.config/fish/completions/homeport.fish",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    version = command(
        commands,
        "version",
        "show versions",
        "Show Homeport's and Python's versions.",
        "homeport version",
        "homeport version --json",
    )
    machine_readable(version)


def _version(text: str) -> tuple[int, int]:
    major, minor = (int(part) for part in text.split("."))
    return major, minor


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _batch(text: str) -> int:
    number = _positive(text)
    if number > BATCH_WRITES:
        raise ValueError(text)
    return number


_positive.__name__ = _batch.__name__ = "number"
_version.__name__ = "version"
