"""The notes that the semantics suite searches: what four people keep on Python's library.

A note is a line about it, a title and a body:

    space id | kind | pages | seen | done or open | tags

A dash stands for a field that is not there. Some are at home somewhere, which a list of its own
tells. `team` belongs to ann, who owns it, and to ben, who
reads it; eve has nothing of her own. What stands in a collection other than `notes` says so:
`collection/id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_NOTES: Final = """
ann itertools | iteration | 12 | 2024-01-05 | done | lazy, loops
Pieces for efficient loops
Chains, cycles and repeats whatever can be iterated, and never builds a list on the way.

ann functools | iteration | 9 | 2024-01-05 | open | lazy, caching
Functions that act on functions
A decorator keeps the last results in a cache, so that the same call is not computed twice.

ann operator | iteration | 4 | 2024-01-07 | done | -
Operators as functions
Each operator of the language has a function that can be passed on, such as a key for sorting.

ann collections | data | 14 | 2024-01-09 | open | containers
Containers for special needs
A deque is quick at both ends, a counter counts, and a chain of maps searches several at once.

ann heapq | data | 6 | 2024-01-09 | done | containers, sorting
A heap in a list
The smallest item is always the first, which makes the list a queue with priorities.

ann bisect | data | 3.5 | 2024-01-11 | done | sorting
Bisecting a sorted list
Finds where a new item belongs, so that the list stays sorted and need not be sorted again.

ann array | data | 5 | - | open | numbers
Arrays of plain numbers
Holds numbers of one type side by side, in far less memory than a list would take.

ann enum | data | 16 | 2024-01-15 | done | names
Sets of named constants
Members have a name and a value, are compared by identity, and can be gone through in order.

ann dataclasses | data | 11 | 2024-01-16 | open | names
Classes that mostly hold data
A decorator writes the constructor, the comparison and the representation from the fields.

ann json | formats | 10 | 2024-02-01 | done | text, web
Reading and writing JSON
An encoder turns dictionaries and lists into text; a decoder parses the text again.

ann csv | formats | 8 | 2024-02-01 | done | text, files
Tables in text files
Reads and writes rows of comma separated values, as spreadsheets like to export them.

ann tomllib | formats | 2 | 2024-02-03 | open | text, files
Parsing TOML
Reads a configuration file into a dictionary; writing such a file is left to others.

ann configparser | formats | 13 | 2024-02-03 | open | text, files
Configuration with sections
Values of one section may refer to those of another; everything is text until it is asked for.

ann struct | formats | 7 | 2024-02-07 | done | bytes
Bytes as packed values
Packs numbers into bytes by a format string, and unpacks what another program has packed.

ann re | text | 24 | 2024-02-11 | open | patterns, text
Regular expressions
A pattern is compiled once and matched often; groups tell which part of the text was matched.

ann string | text | 5 | 2024-02-12 | done | text
Common string work
Constants for letters and digits, and templates in which a dollar sign marks what is filled in.

ann textwrap | text | 3 | 2024-02-12 | done | text
Wrapping paragraphs
Breaks a long paragraph into lines, and takes away the indentation that all lines share.

ann difflib | text | 10 | - | open | text, comparing
What changed between two texts
Compares sequences and shows the differences line by line; close matches can be looked up too.

ann html | formats | 4 | 2024-02-20 | open | web
Escaping <b>HTML</b> & friends
The signs < and > and & become entities, so that a title such as <script> is shown, not run.

ann unicodedata | text | 6 | 2024-02-21 | open | text
Zeichen mit Namen: Ä, é, ß
Every character has a name and a category; a naïve comparison of naïve and naive says no.

ann pathlib | files | 18 | 2024-03-01 | done | files
Paths as objects
A path is joined by a slash, asked for its parent, its suffix or its name, and then opened.

ann shutil | files | 9 | 2024-03-01 | done | files
Copying whole folders
Copies and removes trees of files, and makes an archive of them where that is wanted.

ann tempfile | files | 5 | 2024-03-04 | open | files
Files that vanish
A temporary folder is removed with all that is in it as soon as the block has ended.

ann zipfile | files | 8 | 2024-03-05 | done | files, compression
Working with archives
Reads and writes archives in the ZIP format, one member at a time, compressed or stored.

ann sqlite3 | data | 30 | 2024-03-09 | open | files, queries
A database in one file
Connections, cursors and transactions; a query takes its parameters apart from its text.

ann notes/minus | numbers | -1.5 | 2023-12-31 | done | numbers
Below zero
A note that has fewer pages than none, and was seen a day before the year began.

ben datetime | time | 20 | 2024-01-20 | done | dates
Dates, times and zones
A moment is aware of its zone or naive; subtracting two of them gives the time between.

ben zoneinfo | time | 4 | 2024-01-20 | open | dates
Time zones of the world
Loads the rules of a zone by its name, and knows when clocks there were changed.

ben calendar | time | 6 | 2024-01-21 | done | dates
Weeks and months
Prints the calendar of a month or a year, and says on which weekday a month begins.

ben time | time | 9 | 2024-01-23 | open | clocks
Clocks of the machine
A monotonic clock never runs backwards, while the time of day may be set to anything.

ben sched | time | 3 | 2024-01-23 | open | clocks, queue
Calling functions later
A queue of events with priorities; each runs when its time has come, one after another.

ben math | numbers | 12 | 2024-02-02 | done | numbers
Mathematical functions
Roots, logarithms and angles of floating point numbers, and sums that lose no digit.

ben decimal | numbers | 22 | 2024-02-04 | done | numbers, money
Decimal numbers
Exact to as many digits as are asked for, and rounded as accountants expect it of money.

ben fractions | numbers | 4 | 2024-02-04 | open | numbers
Rational numbers
A fraction keeps its numerator and its denominator, so that a third stays a third.

ben random | numbers | 12 | 2024-02-06 | open | numbers, chance
Numbers by chance
Picks, shuffles and samples; for passwords and keys there is another module, secrets.

ben secrets | crypto | 2 | 2024-02-06 | done | chance, passwords
Numbers that nobody can guess
Tokens and passwords come from the best source of randomness that the system has.

ben hashlib | crypto | 9 | 2024-02-14 | done | bytes
Digests of bytes
A digest of the same bytes is always the same; two different texts hardly ever share one.

ben hmac | crypto | 3 | 2024-02-14 | open | bytes
Signed digests
Who has the key can tell that a message was not changed; digests are compared in constant time.

ben statistics | numbers | 7 | - | open | numbers
Means and medians
The middle of a list of numbers, how far they spread, and a line that fits them.

ben drafts/cooking | - | 12 | 2024-02-15 | open | numbers
Recipes for iterators
Not a note but a draft: how to take, to drop and to count what an iterator yields.

team asyncio | concurrency | 40 | 2024-03-10T23:30:00Z | open | network, loops
Running tasks on a loop
Coroutines wait for each other without blocking; a task group ends when all its tasks have ended.

team threading | concurrency | 17 | 2024-03-10T21:15:00Z | open | locks
Threads and locks
Threads share their memory, so a lock guards what two of them would change at once.

team queue | concurrency | 5 | 2024-03-11 | done | locks, queue
Queues between threads
One thread puts items in, another takes them out; a queue with a bound makes the first one wait.

team subprocess | concurrency | 15 | 2024-03-12 | open | processes
Running other programs
Starts a program, feeds its input, reads its output and waits until it ends, or kills it.

team signal | concurrency | 8 | 2024-03-12 | open | processes
Signals to a process
A handler runs in the main thread, between two steps of whatever was running there.

team socket | network | 25 | 2024-03-15 | done | bytes
Sockets of the network
Connects to another machine, listens for those that connect, sends and receives bytes.

team ssl | network | 21 | 2024-03-15 | open | crypto
Encrypted connections
A context says which certificates are trusted; the host name is checked against the certificate.

team http | network | 6 | 2024-03-16 | done | web
Speaking HTTP
Status codes by name, a client that sends one request, and a server that is good for tests.

team urllib | network | 14 | 2024-03-16 | open | web
Opening addresses of the web
Splits an address into its parts, quotes what has to be quoted, and opens what it points to.

team email | network | 19 | - | open | text
Messages in letters
Parses a message into headers and parts, and writes one with attachments in any encoding.

team logging | tools | 16 | 2024-03-20 | done | files
Logging what happens
Loggers have names, levels and handlers; one handler writes to a file, another to the network.

team argparse | tools | 15 | 2024-03-20 | done | text
Options of the command line
Declares options and arguments, parses what was typed, and prints the help for all of it.

team minutes/march | - | 1 | 2024-03-21 | done | -
Minutes of March
The owners of the team agreed to drop the oldest module; nobody else is to read this.

team drafts/plan | - | 2 | 2024-03-22 | open | loops
A plan for the loop
A draft on how tasks should be cancelled while a loop is closing.

public unittest | testing | 18 | 2024-04-01 | done | tools
Testing with classes
A case sets up what it needs, asserts what it expects, and cleans up after each test.

public doctest | testing | 7 | 2024-04-01 | open | tools, text
Examples that are tests
Runs the examples of a docstring, and compares what they print with what stands below them.

public pdb | tools | 11 | 2024-04-03 | open | tools
Stopping in the middle
A debugger steps through the lines, shows the stack and evaluates an expression in each frame.

public timeit | tools | 4 | 2024-04-03 | done | tools, clocks
Timing small pieces of code
Runs a statement many times, by the best clock of the machine, and reports the least time.

public profile | tools | 9 | 2024-04-05 | open | tools, clocks
Where the time goes
Counts the calls of each function, and adds up the time that was spent in it.

public typing | language | 28 | 2024-04-07 | done | names
Hints about types
Types are written beside names and checked by tools; nothing of it is enforced at run time.

public abc | language | 5 | 2024-04-07 | open | names
Abstract base classes
A class with abstract methods cannot be made until a subclass has implemented them.

public contextlib | language | 8 | 2024-04-09 | done | -
Managers of contexts
A generator becomes a manager of a context: what is above the yield enters, what is below exits.

public inspect | language | 14 | - | open | tools
Looking into live objects
Tells the signature of a function, the source of a class, and the frames of the stack.

public importlib | language | 12 | 2024-04-12 | done | files
How modules are imported
Finds a module, loads it and keeps it, so that importing it twice runs its code but once.

public notes/long | language | 60 | 2024-04-15 | open | -
A long one
{filler} The needle stands in the middle of it. {filler}
"""


_HOMES: Final = """
48.2082 16.3738   itertools functools asyncio unittest
48.1103 16.5697   operator
48.1486 17.1077   collections heapq queue
47.0707 15.4395   bisect threading
-18.1416 178.4419 array
-33.8688 151.2093 bisect
-13.8333 -171.7667 enum
78.2232 15.6267   dataclasses
90 0              json
-0.1807 -78.4678  pdb csv
"""
"""Where notes are at home: latitude, longitude, ids."""


class Note(NamedTuple):
    """One record of the corpus; `space` is short for one that the suite makes."""

    space: str
    collection: str
    id: str
    data: dict[str, Any]


def corpus() -> tuple[Note, ...]:
    """All notes, in the order in which they are written."""
    return tuple(_notes(_NOTES.format(filler=" ".join(["filler"] * 200))))


def _notes(text: str) -> Iterator[Note]:
    homes = _homes()
    for block in text.strip().split("\n\n"):
        about, title, body = block.split("\n")
        place, kind, pages, seen, state, tags = (part.strip() for part in about.split("|"))
        space, _, name = place.partition(" ")
        collection, _, id = name.rpartition("/")
        data: dict[str, Any] = {"title": title, "body": body, "done": state == "done"}
        if kind != _NONE:
            data["kind"] = kind
        if pages != _NONE:
            data["pages"] = float(pages)
        if seen != _NONE:
            data["seen"] = seen
        if tags != _NONE:
            data["tags"] = tags.split(", ")
        if id in homes:
            data["home"] = homes[id]
        yield Note(space, collection or "notes", id, data)


def _homes() -> dict[str, list[dict[str, float]]]:
    """Those of each id."""
    homes: dict[str, list[dict[str, float]]] = {}
    for line in _HOMES.strip().splitlines():
        latitude, longitude, *ids = line.split()
        for id in ids:
            home = {"lat": float(latitude), "lon": float(longitude)}
            homes.setdefault(id, []).append(home)
    return homes


_NONE: Final = "-"
