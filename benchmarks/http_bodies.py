"""Requests whose body is generated while it is sent, and answers written to a file: chunked, by
http.client.
"""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.http_load import Refused

_TIMEOUT = 1800.0
_COPY = 1 << 20


def _ask(method: str, url: str, token: str, body: Iterable[bytes], kind: str) -> http.client.HTTPResponse:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=_TIMEOUT)
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    if kind:
        headers |= {"Content-Type": kind, "Transfer-Encoding": "chunked"}
        connection.request(method, place.path, body, headers, encode_chunked=True)
    else:
        connection.request(method, place.path, headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise Refused(f"{method} {url}: {answer.status} {answer.read(500)!r}")
    return answer


def send(method: str, url: str, token: str, body: Iterable[bytes] = (), kind: str = "") -> None:
    """Send `body` with content type `kind` (none: no body) and read the answer. Raises Refused."""
    with _ask(method, url, token, body, kind) as answer:
        answer.read()


def fetch(url: str, token: str, path: Path) -> None:
    """Write the answer to a GET into a file. Raises Refused."""
    with _ask("GET", url, token, (), "") as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file, _COPY)
