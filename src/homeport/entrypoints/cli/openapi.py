"""`homeport openapi`: the HTTP API's description."""

from __future__ import annotations

import json
from argparse import Namespace

from homeport.entrypoints import openapi
from homeport.entrypoints.cli.exits import Exit, fail


def run(arguments: Namespace) -> int:
    text = json.dumps(openapi.document(), indent=2, ensure_ascii=False)
    if arguments.output is None:
        print(text)
        return Exit.OK
    try:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        fail(Exit.FAILED, f"{arguments.output} cannot be written: {error.strerror}.")
    return Exit.OK
