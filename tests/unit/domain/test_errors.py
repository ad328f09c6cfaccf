"""What errors carry beside their sentence."""

from __future__ import annotations

from homeport.domain.errors import Fault, NotFound, RateLimited, Unauthenticated, Unavailable
from homeport.domain.errors import VersionMismatch as Mismatch


def test_what_has_not_been_said_otherwise() -> None:
    assert Unauthenticated("Say who you are.").reason == ""
    assert Unavailable("Not now.").retry_after == 1
    assert NotFound().detail == NotFound("There is nothing here that you may see.").detail
    assert Mismatch("It has moved on.").current is None


def test_what_has() -> None:
    assert Unauthenticated("It is bad.", "invalid_token").reason == "invalid_token"
    assert Unavailable("Not now.", 7).retry_after == 7
    assert RateLimited("Slower.", 9).retry_after == 9
    fault = Fault("/writes/0", "it is at another version")
    assert Mismatch("It has moved on.", None, (fault,)).faults == (fault,)
    for error in (RateLimited("Slower.", 9), Mismatch("It has moved on.")):
        assert str(error) == error.detail
