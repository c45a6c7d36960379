"""The text that `up` prints once everything is healthy: a token for development, and commands for a first
upload.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import jwt

_TEXT = """
Everything is up; {stack} says where. Ctrl-C stops it.

{console}A first upload, as the user `dev` (the token is valid for 24 hours):

  curl -f -H "Authorization: Bearer {token}" -F file=@README.md {url}/api/v1/s3/upload

The newest file of that user, read back and compared:

  {auth}; KEY=$(curl -fsS -H "$AUTH" {url}/api/v1/s3/files | {newest})
  curl -fsS -H "$AUTH" "{url}/api/v1/s3/file/$KEY" | cmp - README.md && echo "the same, byte for byte"

Every route, to try out: {url}/docs
When something is wrong: strongroom doctor
"""
#: The part after `#` is sent to no server; the page removes it from its address at once.
_CONSOLE = """Open the console, signed in as `dev`:

  {url}/console#token={token}

"""
_NEWEST = (
    "python3 -c 'import json, sys; "
    'print(max(json.load(sys.stdin)["files"], key=lambda file: file["last_modified"])["key"])\''
)


def show(url: str, jwt_secret: str | None, stack: Path, environ: Mapping[str, str]) -> None:
    """Print the tour on standard output."""
    sys.stdout.write(text(url, jwt_secret, stack, environ))
    sys.stdout.flush()


def text(url: str, jwt_secret: str | None, stack: Path, environ: Mapping[str, str]) -> str:
    """The tour as text, without a token if tokens come from another issuer."""
    if jwt_secret is None:
        return f"\nEverything is up at {url}; {stack} says where. Tokens come from your own issuer.\n"
    token = development_token(jwt_secret, environ)
    auth = f'AUTH="Authorization: Bearer {token}"'
    there = environ.get("STRONGROOM_CONSOLE", "on").lower() != "off"
    console = _CONSOLE.format(url=url, token=token) if there else ""
    return _TEXT.format(url=url, stack=stack, token=token, auth=auth, newest=_NEWEST, console=console)


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
