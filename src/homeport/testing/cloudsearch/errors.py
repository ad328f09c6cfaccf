"""What the emulated services refuse, and how they say it on the wire."""

from __future__ import annotations


class DefinitionError(ValueError):
    """A field, suggester or scheme that no domain can be configured with."""


class SearchRefused(Exception):
    """A search or suggestion is not answered: status 400, `SearchException`."""


class NotEmulated(SearchRefused):
    """CloudSearch can do this, the emulator cannot, and says so instead of guessing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The emulator does not speak this: {what}")


class BatchRefused(Exception):
    """No document of a batch is taken: status 400, `DocumentServiceException`.

    `messages` holds one sentence for each operation that is wrong.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


class ConfigurationRefused(Exception):
    """The configuration service says no, with the code that its clients look at."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
