"""The development token that `up` prints."""

from __future__ import annotations

import time

import jwt

_LIFETIME_SECONDS = 24 * 3600


def development_token(secret: str, subject: str = "dev") -> str:
    """A JWT (HS256; `sub`, `iat`, `exp`) that is good for 24 hours."""
    now = int(time.time())
    return jwt.encode({"sub": subject, "iat": now, "exp": now + _LIFETIME_SECONDS}, secret, algorithm="HS256")
