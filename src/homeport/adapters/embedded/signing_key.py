"""The key that signs access tokens, kept in the data file."""

from __future__ import annotations

import secrets
from typing import Final

import apsw

from homeport.adapters.credentials.access_tokens import KEY_BYTES, SigningKey
from homeport.adapters.embedded.database import Database

KEY_SETTING: Final = "access_token_key"


class EmbeddedSigningKey:
    """One key without an id, made at first use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: SigningKey | None = None

    def current(self) -> SigningKey:
        return self._stored() or self._keep(self._made())

    def find(self, id: str) -> SigningKey | None:
        """None also while no key was made yet, for no token was either."""
        return self._stored() if not id else None

    def _stored(self) -> SigningKey | None:
        if self._known is None:
            rows = self._database.read("SELECT value FROM settings WHERE name = ?", (KEY_SETTING,))
            return self._keep(rows[0][0]) if rows else None
        return self._known

    def _keep(self, text: str) -> SigningKey:
        self._known = known = SigningKey("", bytes.fromhex(text))
        return known

    def _made(self) -> str:
        made = secrets.token_hex(KEY_BYTES)

        def make(connection: apsw.Connection) -> str:
            connection.execute(
                "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (KEY_SETTING, made),
            )
            rows = connection.execute(
                "SELECT value FROM settings WHERE name = ?", (KEY_SETTING,)
            ).fetchall()
            return str(rows[0][0])

        return self._database.write(make)
