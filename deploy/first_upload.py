"""Prints a token and uploads a first file: `docker compose run --rm first-upload`.

Exits 0 if the file was read back. STRONGROOM_JWT_SECRET signs the token of the user `dev`, STRONGROOM_URL is
the gateway's address for this container, STRONGROOM_SHOWN_URL its address for the reader.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any, Final

from strongroom.client.tokens import development_token

_SECONDS: Final = 30.0
_DAY: Final = 24 * 3600
_TEXT: Final = b"The first file in this Strongroom.\n"
_BOUNDARY: Final = "first-upload"
_FORM: Final = (
    (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="hello.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    ).encode()
    + _TEXT
    + f"\r\n--{_BOUNDARY}--\r\n".encode()
)
_TOLD: Final = """Stored and read back: {key}

A token for the user `dev`, valid for 24 hours:

  export STRONGROOM_TOKEN={token}

Another upload, and the list:

  curl -f -H "Authorization: Bearer $STRONGROOM_TOKEN" -F file=@README.md {url}/api/v1/s3/upload
  curl -f -H "Authorization: Bearer $STRONGROOM_TOKEN" {url}/api/v1/s3/files

Open the console, signed in as `dev`:

  {url}/console#token={token}
"""


def _ask(url: str, token: str, body: bytes | None = None) -> bytes:
    headers = {"authorization": f"Bearer {token}"}
    if body is not None:
        # Running this again returns the same file.
        headers |= {
            "content-type": f"multipart/form-data; boundary={_BOUNDARY}",
            "idempotency-key": "first-upload",
        }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the gateway that compose names
    with opener.open(request, timeout=_SECONDS) as reply:
        read: bytes = reply.read()
        return read


def main(environ: dict[str, str]) -> int:
    """Upload the file and read it back. Returns 0, or 1 after a line with the reason on standard error."""
    url = environ["STRONGROOM_URL"].rstrip("/")
    token = development_token(environ["STRONGROOM_JWT_SECRET"], "dev", ttl_seconds=_DAY)
    try:
        made: dict[str, Any] = json.loads(_ask(f"{url}/api/v1/s3/upload", token, _FORM))
        same = _ask(f"{url}/api/v1/s3/file/{made['key']}", token) == _TEXT
    except urllib.error.HTTPError as error:
        with error:
            sys.stderr.write(
                f"the gateway answers {error.code}: {error.read(2000).decode(errors='replace')}\n"
            )
        return 1
    except OSError as error:
        sys.stderr.write(f"{url} can't be reached ({error}); `docker compose ps` says what runs\n")
        return 1
    if not same:
        sys.stderr.write("other bytes came back than were sent\n")
        return 1
    shown = environ.get("STRONGROOM_SHOWN_URL", url)
    sys.stdout.write(_TOLD.format(key=made["key"], token=token, url=shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
