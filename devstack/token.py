"""The development token that `up` prints."""

from __future__ import annotations

import time
from collections.abc import Mapping

import jwt

_LIFETIME_SECONDS = 24 * 3600


def development_token(secret: str, environ: Mapping[str, str], subject: str = "dev") -> str:
    """A JWT (HS256) valid for 24 hours, with `aud` and `iss` if the services require them."""
    now = int(time.time())
    lifetime = min(_LIFETIME_SECONDS, _longest(environ))
    claims: dict[str, object] = {"sub": subject, "iat": now, "exp": now + lifetime}
    if audience := environ.get("STRONGROOM_JWT_AUDIENCE"):
        claims["aud"] = audience.partition(",")[0].strip()
    if issuer := environ.get("STRONGROOM_JWT_ISSUER"):
        claims["iss"] = issuer
    return jwt.encode(claims, secret, algorithm="HS256")


def _longest(environ: Mapping[str, str]) -> int:
    text = environ.get("STRONGROOM_JWT_MAX_LIFETIME_SECONDS") or ""
    return int(text) if text.isdecimal() else _LIFETIME_SECONDS
