"""`homeport restore`: the data folder made from a backup."""

from __future__ import annotations

from argparse import Namespace

from homeport.entrypoints.cli.backup import tell, translated
from homeport.entrypoints.cli.exits import Exit
from homeport.entrypoints.cli.opening import definition_of
from homeport.entrypoints.cli.progress import progress


def run(arguments: Namespace) -> int:
    from homeport.adapters.embedded.backups import read_manifest, restore

    # Where a link leads: the link itself stays.
    target, backup = definition_of(arguments).data_folder.resolve(), arguments.folder.absolute()
    cure = "Choose another --data."
    if not arguments.force:
        cure = "Choose another --data, or replace a data folder with --force."
    with translated(cure):
        total = read_manifest(backup).bytes
        with progress("Restoring", total, unit="bytes") as advance:
            manifest = restore(backup, target, force=arguments.force, progress=advance)
    tell("The data folder", target, manifest, as_json=arguments.json)
    if not arguments.json:
        print("The search index is made anew when the server starts.")
    return Exit.OK
