"""`homeport init`: write a commented homeport.toml."""

from __future__ import annotations

from argparse import Namespace

from homeport.definition import FILE_NAME, STARTER
from homeport.entrypoints.cli.exits import Exit, fail


def run(arguments: Namespace) -> int:
    file = arguments.folder / FILE_NAME
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            try:
                stream.write(STARTER)
                stream.flush()
            except OSError:
                file.unlink()  # half of it would be in the way of the next try
                raise
    except FileExistsError:
        if not file.exists():
            fail(Exit.FAILED, f"{arguments.folder} is not a folder. Name one to write into.")
        fail(Exit.FAILED, f"{file} exists and stays as it is. Move it away to get a new one.")
    except OSError as error:
        fail(Exit.FAILED, f"{file} cannot be written: {error.strerror}.")
    print(f"Wrote {file}. Start the backend with: homeport serve")
    return Exit.OK
