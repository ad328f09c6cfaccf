"""What every error of the domain promises, watched in every test of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from homeport.domain.errors import Fault, HomeportError

_SENTENCE = re.compile(r"[A-Z].*[a-z].*\.", re.DOTALL)
_PHRASE = re.compile(r"(?!\w*[A-Z]{2}[a-z]).*[a-z].*", re.DOTALL)


@pytest.fixture(autouse=True, scope="module")
def _errors_are_told_in_sentences() -> Iterator[None]:
    """Each error that is made says a sentence, and each fault where it is and what it is."""
    make_error, make_fault = HomeportError.__init__, Fault.__init__

    def error(self: HomeportError, detail: object, faults: object = ()) -> None:
        assert isinstance(detail, str)
        if type(self).__module__ == HomeportError.__module__:
            assert _SENTENCE.fullmatch(detail), detail
        assert isinstance(faults, tuple) and all(isinstance(one, Fault) for one in faults)
        make_error(self, detail, tuple(faults))

    def fault(self: Fault, pointer: object, detail: object) -> None:
        assert isinstance(pointer, str)
        assert isinstance(detail, str) and _PHRASE.fullmatch(detail), detail
        make_fault(self, pointer, detail)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HomeportError, "__init__", error)
        patch.setattr(Fault, "__init__", fault)
        yield
