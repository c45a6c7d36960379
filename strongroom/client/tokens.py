"""The bearer token: fixed, or obtained from a function and kept until it is about to expire."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

from strongroom import errors
from strongroom.client.arguments import expect
from strongroom.subjects import wrong_subject

TokenFunction = Callable[[], str | Awaitable[str]]
Token = str | TokenFunction

#: Seconds before its ``exp`` at which a token is renewed, so that it doesn't expire during a call.
RENEW_BEFORE_SECONDS = 30.0


class Tokens:
    """Provides the token for the next call. Tasks of one event loop may share it."""

    def __init__(self, token: Token | None) -> None:
        if not callable(token):
            expect(token, str | None, "token is text (str) or a function that returns it")
        self._function: TokenFunction | None = token if callable(token) else None
        self._current = token if isinstance(token, str) else None
        self._renew_at = float("inf")
        self._asking = asyncio.Lock()

    async def current(self) -> str | None:
        """Return the token to send, or None. Exceptions of the function are raised unchanged."""
        if self._function is None:
            return None if self._current is None else _sendable(self._current)
        async with self._asking:
            if self._current is None or time.time() >= self._renew_at:
                self._current = _sendable(await _ask(self._function))
                self._renew_at = _expiry(self._current) - RENEW_BEFORE_SECONDS
            return self._current

    def renew_after(self, error: errors.StrongroomError) -> bool:
        """Whether a new token may help against ``error``. If so, the next ``current()`` gets one."""
        if self._function is None or not isinstance(error, errors.TokenExpired | errors.TokenInvalid):
            return False
        self._current = None
        return True


async def _ask(function: TokenFunction) -> str:
    """Call the function; in a thread if it is plain, because it may block (a file, an HTTP call)."""
    if inspect.iscoroutinefunction(function):
        return _text(await function())
    answer: str | Awaitable[str] = await asyncio.to_thread(function)
    return _text(await answer if inspect.isawaitable(answer) else answer)


def _text(token: object) -> str:
    """The token that the function returned.

    :raises TokenMissing: it returned something else.
    """
    if not isinstance(token, str):
        raise errors.TokenMissing(f"The token function returned {type(token).__name__}, not a token (str).")
    return token


def _sendable(token: str) -> str:
    """The token without the line end that it has in a file.

    :raises TokenInvalid: no header could carry it; gRPC would only say that a batch failed.
    """
    token = token.strip()
    if token[:7].lower() == "bearer ":
        raise errors.TokenInvalid("The token has the word Bearer before it; leave it out.")
    if not token.isascii() or not token.isprintable():
        raise errors.TokenInvalid("The token contains characters that no token has; copy it unchanged.")
    return token


def _expiry(token: str) -> float:
    """Return the ``exp`` of a JWT, unverified (only the service can verify it); infinite if it can't
    be read.
    """
    import jwt  # noqa: PLC0415 - see development_token

    try:
        exp = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except jwt.InvalidTokenError:
        return float("inf")
    return float(exp) if isinstance(exp, int | float) else float("inf")


def development_token(
    secret: str,
    sub: str,
    *,
    ttl_seconds: int = 3600,
    role: str | None = None,
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    """Return an HS256 token for development: claims ``sub``, ``iat``, ``exp`` and, if given, ``role``,
    ``aud``, ``iss``.

    :raises ValueError: for an empty secret or sub, a sub that no user can have, or a ttl under one second.
    """
    import jwt  # noqa: PLC0415 - loads all of cryptography: 0.1 s, which who brings a token need not wait for

    if not secret or not sub or ttl_seconds < 1:
        raise ValueError("a token needs a secret, a sub and a ttl of at least one second")
    if wrong := wrong_subject(sub):
        raise ValueError(f"the sub {wrong}; no user has such a name")
    now = int(time.time())
    claims: dict[str, str | int] = {"sub": sub, "iat": now, "exp": now + ttl_seconds}
    optional = {"role": role, "aud": audience, "iss": issuer}
    claims.update({name: value for name, value in optional.items() if value})
    return jwt.encode(claims, secret, algorithm="HS256")
