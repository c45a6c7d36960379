"""Tokens of any form, also invalid ones that no library would create."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from jwt.algorithms import get_default_algorithms

SECRET = "a secret of thirty-two bytes, or so"
SECRET_BYTES = SECRET.encode()
ALGORITHMS = get_default_algorithms()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    """Valid claims, changed by the arguments; None removes a claim."""
    now = int(time.time())
    merged = {"sub": "alice", "iat": now, "exp": now + 600, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def sign(header: bytes | str, payload: bytes | str, key: Any = SECRET_BYTES, algorithm: str = "HS256") -> str:
    """A token with exactly these bytes, signed whatever they say."""
    raw = [part.encode() if isinstance(part, str) else part for part in (header, payload)]
    text = ".".join(b64(part) for part in raw)
    return f"{text}.{b64(ALGORITHMS[algorithm].sign(text.encode(), key))}"


def token(
    header: dict[str, Any] | None = None, key: Any = SECRET_BYTES, algorithm: str = "HS256", **changes: Any
) -> str:
    """A token with good claims and header, but for the changes given."""
    full = {"alg": algorithm, "typ": "JWT", **(header or {})}
    kept = {name: value for name, value in full.items() if value is not None}
    return sign(json.dumps(kept), json.dumps(claims(**changes)), key, algorithm)
