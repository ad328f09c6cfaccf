"""The commands of an operator, as they can be typed."""

from __future__ import annotations

import argparse
from pathlib import Path

from homeport.entrypoints.cli.declaring import Commands, command, definition, machine_readable


def declare(commands: Commands) -> None:
    doctor = command(
        commands,
        "doctor",
        "find out what is wrong, everything at once",
        "Look at the program, the definition, the data folder, the disk, the database, the index, "
        "the port and the server, and say what is wrong and what to do about it. It changes "
        "nothing, and the backend may run meanwhile. The whole database and index are read: a "
        "large one takes a while. Exits with 1 where it found a fault.",
        "homeport doctor",
        "homeport doctor --data /var/lib/homeport --json",
    )
    machine_readable(doctor)
    definition(doctor)
    doctor.add_argument("--host", help="where the server listens; wins over the definition")
    doctor.add_argument("--port", help="its port; wins as well")

    _declare_index(commands)

    letters = command(
        commands,
        "dead-letters",
        "look at, redrive or drop what could not be delivered, or forget who is gone",
        "Work on dead letters, also while the backend runs: changes and messages that the index, "
        "the messages or a subscriber could not take after all their attempts. redrive "
        "makes them due again, with the record as it is by then; drop deletes them. forget is "
        "for a subscriber that was taken out of the definition and stays out: it ends the place "
        "that is kept for it, which keeps the log of changes growing, and its dead letters.",
        "homeport dead-letters list",
        "homeport dead-letters list --source subscriber:welcome --json",
        "homeport dead-letters show 7",
        "homeport dead-letters redrive --all",
        "homeport dead-letters drop 7 8",
        "homeport dead-letters forget subscriber:welcome",
    )
    letters.add_argument("action", choices=("list", "show", "redrive", "drop", "forget"))
    letters.add_argument(
        "ids", nargs="*", metavar="ID", help="as list prints them; forget takes sources"
    )
    letters.add_argument("--all", action="store_true", help="redrive or drop all, or all of one")
    letters.add_argument("--source", help="only those of this source, as list prints it")
    machine_readable(letters)
    definition(letters)

    backup = command(
        commands,
        "backup",
        "copy the data to a folder, also while the backend runs",
        "Copy the database, as it is at one moment, to a new folder, and check the copy. The "
        "backend may run and write meanwhile. The search index is not copied: it is made anew "
        "from the records. Whoever can read a backup can read all data in it.",
        "homeport backup /var/backups/homeport/monday",
        "homeport backup monday --data /var/lib/homeport --json",
    )
    backup.add_argument(
        "folder", type=_folder, help="the backup to make; nothing has this name yet"
    )
    backup.add_argument("--json", action="store_true", help="the summary for programs")
    definition(backup)

    restore = command(
        commands,
        "restore",
        "make the data folder from a backup",
        "Check a backup and make the data folder from it, while the backend is not running. A "
        "data folder that holds something stays as it is; with --force the backup takes its "
        "place, and what was there is removed once that has succeeded.",
        "homeport restore /var/backups/homeport/monday",
        "homeport restore monday --data /var/lib/homeport --force",
    )
    restore.add_argument("folder", type=_folder, help="a backup that `homeport backup` has made")
    restore.add_argument("--force", action="store_true", help="replace the data that is there")
    restore.add_argument("--json", action="store_true", help="the summary for programs")
    definition(restore)

    export = command(
        commands,
        "export",
        "write records and memberships as JSON lines, also while the backend runs",
        "Write all records and memberships, as they are at one moment, to a file of JSON lines, "
        "or to standard output. The backend may run and write meanwhile. An interrupted export "
        "goes on with --resume. Tombstones, identities and devices are not exported: "
        "`homeport backup` has everything.",
        "homeport export monday.jsonl",
        "homeport export monday.jsonl --resume",
        "homeport export recipes.jsonl --collection recipes --space public --json",
        "homeport export - | gzip > monday.jsonl.gz",
    )
    export.add_argument(
        "file", type=_name, metavar="FILE", help="the file to write; - is standard output"
    )
    export.add_argument("--space", action="append", help="only of this space; may be repeated")
    export.add_argument(
        "--collection",
        action="append",
        help="only of this collection, without memberships; may be repeated",
    )
    export.add_argument("--resume", action="store_true", help="go on with an interrupted export")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    export.add_argument("--json", action="store_true", help="the summary for programs")
    definition(export)

    imported = command(
        commands,
        "import",
        "restore what `homeport export` has written",
        "Store the records and memberships of an export, while the backend is not running. What "
        "is there with the same content is left alone, so an interrupted import is run again. "
        "What is there with other content stays, and is counted as a conflict. Lines that cannot "
        "be stored are told by their number; then the exit code is 1.",
        "homeport import monday.jsonl",
        "homeport import monday.jsonl --data /var/lib/homeport --replace",
        "gunzip < monday.jsonl.gz | homeport import - --json",
    )
    imported.add_argument(
        "file", type=_name, metavar="FILE", help="the file to read; - is standard input"
    )
    imported.add_argument(
        "--replace", action="store_true", help="overwrite what has other content, roles as well"
    )
    imported.add_argument("--strict", action="store_true", help="stop at the first wrong line")
    imported.add_argument("--json", action="store_true", help="the summary for programs")
    definition(imported)

    _declare_identity(commands)
    _declare_records(commands)

    shards = command(
        commands,
        "shards",
        "note the shards of collections in a large table on AWS, and count how full they are",
        "Look through the whole index of the table on AWS for records of the collections that "
        "are declared with several shards, and note the number of those that have none out of "
        "place. The backend may run meanwhile. A table that is small does without: there a "
        "collection's first write looks. Exits with 1 where records stand in another shard. With "
        "--sizes, read the whole table instead, tell its largest partitions, and note the largest "
        "one for `homeport doctor`; one is told with a warning from 70 % of its 10 GB on.",
        "homeport shards",
        "homeport shards --json",
        "homeport shards --sizes --rate 2000",
    )
    shards.add_argument("--sizes", action="store_true", help="count how full partitions are")
    shards.add_argument(
        "--rate",
        metavar="N",
        type=float,
        default=1000.0,
        help="for --sizes: how many read units a second at most, of 8 KB each (1000)",
    )
    machine_readable(shards)
    definition(shards)

    schema = command(
        commands,
        "schema",
        "check stored records against their collection's schema",
        "Hold every stored record against its collection's JSON Schema, or against another one "
        "before it takes its place, while the backend is not running. Exits with 1 where records "
        "do not fit.",
        "homeport schema check",
        "homeport schema check notes --schema new.json --json",
    )
    schema.add_argument("action", choices=("check",))
    schema.add_argument("collection", nargs="?", help="default: all that have a schema")
    schema.add_argument("--schema", type=Path, metavar="FILE", help="check with this schema")
    machine_readable(schema)
    definition(schema)


def _declare_identity(commands: Commands) -> None:
    identity = command(
        commands,
        "identity",
        "list, show, disable or enable identities, also while the backend runs",
        "Work on guests and accounts, also while the backend runs. Nothing here shows a "
        "password, a hash or a token.",
        "homeport identity list",
        "homeport identity show ann@example.org",
        "homeport identity disable ann@example.org",
    )
    actions = identity.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = command(
        actions,
        "list",
        "a page of all identities, guests and disabled ones included",
        "Print a page of all identities, in the provider's own order. A page that is not the "
        "last one says how to get the next.",
        "homeport identity list --limit 60",
        "homeport identity list --json",
    )
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="1 to 60 (20)")
    listing.add_argument("--cursor", help="as the page before prints it")
    machine_readable(listing)
    definition(listing)
    for name, short, long in (
        ("show", "one identity, and how many devices it has", "Print what is known of somebody."),
        (
            "disable",
            "let somebody in no more",
            (
                "Let somebody neither sign in nor refresh, and end all their refresh tokens. "
                "Access tokens that are out stay good until they expire, 15 minutes at most."
            ),
        ),
        (
            "enable",
            "let somebody sign in again",
            (
                "Let somebody sign in again. Refresh tokens that have ended do not come back; a "
                "guest, who has no password, stays outside."
            ),
        ),
    ):
        one = command(
            actions,
            name,
            short,
            long,
            f"homeport identity {name} ann@example.org",
            f"homeport identity {name} q7xk2m5dwj3t6ynbv4hzcf2gpa --json",
        )
        one.add_argument("who", metavar="ID|LOGIN", help="an identity's id, or its login")
        machine_readable(one)
        definition(one)


def _declare_records(commands: Commands) -> None:
    records = command(
        commands,
        "records",
        "read or write anybody's records, also while the backend runs",
        "Read or write records for support, whoever's they are, also while the backend runs. "
        "What is written passes the same schema, limits and versions as every write, and "
        "reaches the index and the subscribers.",
        "homeport records list public recipes",
        "homeport records get public recipes soup",
        "homeport records put public recipes soup soup.json",
    )
    actions = records.add_subparsers(dest="action", required=True, metavar="ACTION")
    get = command(
        actions,
        "get",
        "print a record",
        "Print a record as JSON.",
        "homeport records get public recipes soup",
        "homeport records get public recipes soup --bare > soup.json",
    )
    _place(get)
    get.add_argument("id", metavar="ID")
    get.add_argument("--bare", action="store_true", help="its data alone, as put takes it")
    get.add_argument("--json", action="store_true", help="in one line")
    definition(get)
    listing = command(
        actions,
        "list",
        "print a page of a collection",
        "Print a page of a collection, by id. A page that is not the last one says how to get "
        "the next.",
        "homeport records list public recipes --limit 100",
        "homeport records list public recipes --json",
    )
    _place(listing)
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="1 to 100 (20)")
    listing.add_argument("--cursor", help="as the page before prints it")
    machine_readable(listing)
    definition(listing)
    put = command(
        actions,
        "put",
        "create or replace a record",
        "Create a record or replace its data. A new record's author is `operator`; one that "
        "exists keeps its own.",
        "homeport records put public recipes soup soup.json",
        "homeport records put public recipes soup - --if-match 00d1a2b3c4d5e6f7 < soup.json",
    )
    _place(put)
    put.add_argument("id", metavar="ID")
    put.add_argument("file", metavar="FILE|-", help="the data, a JSON object; - reads stdin")
    expect = put.add_mutually_exclusive_group()
    expect.add_argument("--if-match", metavar="VERSION", help="only if it is at this version")
    expect.add_argument("--if-none-match", action="store_true", help="only if it is not there")
    machine_readable(put)
    definition(put)


def _place(command: argparse.ArgumentParser) -> None:
    command.add_argument("space", metavar="SPACE", help="an identity's id, `public`, or another")
    command.add_argument("collection", metavar="COLLECTION")


def _declare_index(commands: Commands) -> None:
    index = command(
        commands,
        "index",
        "look at, rebuild, verify or compare the search index",
        "status shows what the search index holds and how far it is behind; verify compares it "
        "with the records, and with --repair mends what differs; rebuild makes it anew from the "
        "records, and goes on with a rebuild that was interrupted; shadow asks it and the index "
        "that `search.shadow` names the same questions, and tells where they differ. All work "
        "while the backend runs, but for rebuild and --repair on the index in a data folder, "
        "which only one process writes.",
        "homeport index status",
        "homeport index rebuild --data /var/lib/homeport",
        "homeport index rebuild --rate 500 --grace 60",
        "homeport index verify --repair",
        "homeport index shadow --queries questions.txt --json",
    )
    index.add_argument("action", choices=("status", "rebuild", "verify", "shadow"))
    index.add_argument(
        "--rate", metavar="N", type=float, help="for rebuild: how many records a second at most"
    )
    index.add_argument(
        "--grace",
        metavar="SECONDS",
        type=float,
        help="for rebuild: how long the old index stays after the swap (default: 0)",
    )
    index.add_argument(
        "--fresh",
        action="store_true",
        help="for rebuild: begin anew, whatever another one has left",
    )
    index.add_argument("--repair", action="store_true", help="for verify: mend just what differs")
    index.add_argument(
        "--shadow",
        action="store_true",
        help="work on the index that search.shadow names, not on the one that answers",
    )
    index.add_argument(
        "--queries",
        metavar="FILE",
        type=Path,
        help="for shadow: what to ask, a search a line (default: words of the records)",
    )
    machine_readable(index)
    definition(index)


def _name(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _folder(text: str) -> Path:
    """Without a name it would be the one that this runs in."""
    return Path(_name(text))


_name.__name__ = _folder.__name__ = "name"
