"""Short-lived signed tokens for the live WebSocket, which Streamlit's own session does not cover.

A token names its owner and the runs that may be read. A page issues it for runs that it has already checked. It lasts
`LIFETIME` seconds and can be renewed over an open connection until `MAX_PAGE_AGE` seconds after the page was drawn.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

LIFETIME: Final = 15 * 60
MAX_PAGE_AGE: Final = 12 * 60 * 60
MAX_CHARACTERS: Final = 8192
_WINDOW: Final = LIFETIME // 3  # in which a page gets the same token again


class TokenError(ValueError):
    """The token is forged, malformed or expired; the message says which."""


@dataclass(frozen=True)
class Grant:
    """What a token allows: whose page it is, the runs that may be read, when the page was drawn and when the token expires.

    Times are Unix seconds.
    """

    owner: str
    runs: frozenset[int]
    started: int
    expires: int


class Tokens:
    """Signs and checks tokens with one secret."""

    def __init__(self, secret: str, lifetime: int = LIFETIME, max_page_age: int = MAX_PAGE_AGE) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="trainscope.live.1")
        self.lifetime = lifetime
        self._max_page_age = max_page_age

    def issue(self, owner: str, runs: Iterable[int], started: int | None = None) -> str:
        """Returns a token for `owner` to read `runs`; `started` is when the page was drawn (default: now)."""
        started = int(time.time()) if started is None else started
        return str(self._serializer.dumps([owner, sorted(set(runs)), started]))

    def check(self, token: object) -> Grant:
        """Returns what the token allows. Raises `TokenError` when it is forged, malformed or expired."""
        if not isinstance(token, str) or len(token) > MAX_CHARACTERS:
            raise TokenError(f"the token is not a text of at most {MAX_CHARACTERS} characters")
        try:
            payload, signed = self._serializer.loads(token, max_age=self.lifetime, return_timestamp=True)
            owner, runs, started = payload
            expires = int(signed.timestamp()) + self.lifetime
            return Grant(str(owner), frozenset(int(run) for run in runs), int(started), expires)
        except SignatureExpired:
            raise TokenError("the token has expired") from None
        except (BadData, ValueError, TypeError):
            raise TokenError("the token was not issued by this server") from None

    def renew(self, grant: Grant) -> str:
        """Returns a new token with the same rights. Raises `TokenError` when the page was drawn too long ago."""
        if time.time() - grant.started > self._max_page_age:
            raise TokenError("the page was opened too long ago; reload it")
        return self.issue(grant.owner, grant.runs, grant.started)


def read_secret(home: Path) -> str:
    """Returns the secret under `home`, created on first use, readable by this user alone."""
    path = home / "secret"
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        _write_secret(path)
        return path.read_text("ascii").strip()


def _write_secret(path: Path) -> None:
    """Writes under another name and links into place, so that two servers that start together share one secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@lru_cache(maxsize=8)
def tokens_for(home: Path) -> Tokens:
    """Returns the signer of the server whose data is under `home`."""
    return Tokens(read_secret(home))


def page_token(home: Path, owner: str, runs: Iterable[int]) -> str:
    """Returns a token for a page. It stays the same for a few minutes, so that a rerun does not change the chart's data."""
    return _windowed(home, owner, tuple(sorted(set(runs))), int(time.time() // _WINDOW))


@lru_cache(maxsize=1024)
def _windowed(home: Path, owner: str, runs: tuple[int, ...], window: int) -> str:
    return tokens_for(home).issue(owner, runs)
