"""Identity providers agree: who gets in, what tokens are worth and until when, who there is.

Tokens are each provider's own. A session is known by the step that brought it, and stands for
what the two providers gave. Time only goes on here: what a provider forgot because it was over
does not come back with an earlier hour.
"""

from __future__ import annotations

from typing import Any, Final
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple

from homeport.adapters.credentials import passwords
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.identity_provider import EmbeddedIdentityProvider
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.domain import identity as rules
from homeport.domain.model.identity import Identity, Session
from tests.stateful.agreement import Agreement, Pair, StepIds, step

Provider = MemoryIdentityProvider | EmbeddedIdentityProvider

LOGINS: Final = ("anna", "Anna", "\uff41nna", "straße", "STRASSE", "no", "an na", "x" * 129)
PASSWORDS: Final = ("password one", "password two", "e\u0301 twice spelt", "é twice spelt", "short")
TOKENS: Final = ("", "nonsense", "a.b.c", "é", "\ud800")

sessions: Bundle[Pair[Session]] = Bundle("sessions")
logins = st.sampled_from(("anna", "anna", *LOGINS))
secrets = st.sampled_from(("password one", "password one", *PASSWORDS))


class IdentityProviders(Agreement[Provider]):
    sessions = sessions

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Pair[Session]] = []
        # The rules are the same with hashes that cost little.
        for name, value in (("MEMORY_KIB", 64), ("PASSES", 1)):
            self._undo.enter_context(mock.patch.object(passwords, name, value))
        for cached in (passwords._hasher, passwords._nobodys_hash):
            cached.cache_clear()
            self._undo.callback(cached.cache_clear)

    def made(self, ids: StepIds) -> Provider:
        return MemoryIdentityProvider(self.clock, ids)

    def opened(self, ids: StepIds) -> Provider:
        self.database = Database(self.folder)
        return EmbeddedIdentityProvider(self.database, self.clock, ids)

    def closed(self) -> None:
        self.database.close()

    # Getting in

    @step(target=sessions)
    def guest(self) -> Any:
        return self._new(self.both(lambda one: one.guest(), _session))

    @step(login=logins, password=secrets)
    def sign_up(self, login: str, password: str) -> None:
        self.both(lambda one: one.sign_up(login, password))

    @step(target=sessions, login=logins, password=secrets)
    def sign_in(self, login: str, password: str) -> Any:
        return self._new(self.both(lambda one: one.sign_in(login, password), _session))

    @step(target=sessions, login=st.sampled_from(("anna", "straße")))
    def sign_up_and_in(self, login: str) -> Any:
        self.sign_up(login=login, password="password one")
        return self.sign_in(login=login, password="password one")

    @step(target=sessions, session=sessions)
    def refresh(self, session: Pair[Session]) -> Any:
        return self._new(
            self.both(lambda one: one.refresh(self._of(session, one).refresh_token), _session)
        )

    @step(
        target=sessions,
        session=sessions,
        times=st.sampled_from((2, 3, rules.SUCCESSORS + 1)),
        seconds=st.sampled_from((0, rules.REUSE_SECONDS, rules.REUSE_SECONDS + 1)),
    )
    def ask_again(self, session: Pair[Session], times: int, seconds: float) -> Any:
        """Answers get lost; one of them is used, and another comes after all."""
        answers = [one for _ in range(times) for one in self.refresh(session=session)]
        for taken, second in zip(answers[::2], answers[1::2], strict=False):
            newer = self.refresh(session=taken)
            self.clock.advance(seconds)
            self.refresh(session=second)
            return newer
        return multiple()

    @step(session=sessions, seconds=st.sampled_from((60, rules.REFRESH_SECONDS + 60)))
    def refresh_with_a_copy(self, session: Pair[Session], seconds: float) -> None:
        """A used token comes back; and then, where it ended nothing, the one that it brought."""
        for token in self.refresh(session=session):
            self.clock.advance(seconds)
            for newer in self.refresh(session=token):
                self.refresh(session=session)
                self.refresh(session=newer)

    def _new(self, given: Pair[Session] | None) -> Any:
        if given is None:
            return multiple()
        self.known.append(given)
        self.verify(session=given)
        return multiple(given)

    # What tokens are worth

    @step(session=sessions)
    def verify(self, session: Pair[Session]) -> None:
        self.both(lambda one: one.verify(self._of(session, one).access_token))

    @step(session=sessions)
    def mix_tokens_up(self, session: Pair[Session]) -> None:
        """Each token serves one purpose, and only whole."""
        self.both(lambda one: one.verify(self._of(session, one).refresh_token))
        self.both(lambda one: one.refresh(self._of(session, one).access_token), _session)
        self.both(lambda one: one.verify(self._of(session, one).access_token[:-1]))
        self.both(lambda one: one.verify(" " + self._of(session, one).access_token))
        self.both(lambda one: one.refresh(self._of(session, one).refresh_token + " "), _session)

    @step(token=st.sampled_from(TOKENS))
    def try_what_is_no_token(self, token: str) -> None:
        self.both(lambda one: one.verify(token))
        self.both(lambda one: one.refresh(token), _session)

    # Who there is

    @step(session=sessions)
    def find(self, session: Pair[Session]) -> None:
        self.both(lambda one: one.find(session[0].identity.id))

    @step(login=logins)
    def find_login(self, login: str) -> None:
        self.both(lambda one: one.find_login(login))

    @step(identity=st.sampled_from(("", "nobody")))
    def look_for_nobody(self, identity: str) -> None:
        self.both(lambda one: one.find(identity))
        self.both(lambda one: one.disable(identity))
        self.both(lambda one: one.enable(identity))

    @step(limit=st.sampled_from((1, 2, 60, 0, 61)))
    def list(self, limit: int) -> None:
        """Page by page, in each provider's own order."""

        def listed(one: Provider) -> object:
            found: dict[str, Identity] = {}
            cursor = None
            for _ in range(1_000):
                page = one.list(limit, cursor)
                for identity in page.identities:
                    assert identity.id not in found, f"{identity.id} is there twice"
                    found[identity.id] = identity
                cursor = page.cursor
                if cursor is None:
                    return found
            raise AssertionError("a list does not end")

        self.both(listed)

    @step(cursor=st.sampled_from(TOKENS))
    def list_from_nowhere(self, cursor: str) -> None:
        self.both(lambda one: one.list(10, cursor))

    @step(session=sessions)
    def disable(self, session: Pair[Session]) -> None:
        self.both(lambda one: one.disable(session[0].identity.id))

    @step(session=sessions)
    def enable(self, session: Pair[Session]) -> None:
        self.both(lambda one: one.enable(session[0].identity.id))

    @step(session=sessions, groups=st.sampled_from(((), ("staff",), ("b", "a"))))
    def set_groups(self, session: Pair[Session], groups: tuple[str, ...]) -> None:
        self.both(lambda one: one.set_groups(session[0].identity.id, groups))

    @step(
        seconds=st.sampled_from(
            (1, rules.REUSE_SECONDS, rules.ACCESS_SECONDS, rules.REFRESH_SECONDS - 1)
        )
    )
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def compare_all(self) -> None:
        self.list(limit=60)
        for session in self.known.copy():
            self.verify(session=session)
            self.find(session=session)
            self.refresh(session=session)

    def _of(self, session: Pair[Session], one: Provider) -> Session:
        return session[0 if one is self.reference else 1]


def _session(session: Session) -> object:
    return session.identity, session.expires_in
