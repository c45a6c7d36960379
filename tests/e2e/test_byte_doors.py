"""Every route with a file's bytes: headers for browsers, and HEAD is equal to GET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.belongings import Belongings

#: Headers of one answer, not of the file.
_OWN: Final = frozenset(
    {"date", "x-request-id", "connection", "transfer-encoding", "ratelimit", "ratelimit-policy"}
)


def _preview(owner: Belongings) -> str:
    url: str = owner.http.get(f"/api/projects/{owner.project}/preview-url").json()["preview_url"]
    return url


DOORS: Final[dict[str, Callable[[Belongings], str]]] = {
    "file": lambda owner: f"/api/v1/s3/file/{owner.quoted_key}",
    "generation": lambda owner: f"/api/generations/{owner.generation['id']}/content",
    "download": lambda owner: f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}/download",
    "stream": lambda owner: f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}/stream",
    "picture": lambda owner: "/api/v1/users/me/profile-picture" if owner.picture else "",
    "project file": lambda owner: f"/api/projects/{owner.project}/files/index.html",
    "archive": lambda owner: f"/api/projects/{owner.project}/archive",
    "sandbox": lambda owner: f"/api/sandbox-preview/{owner.project}/",
    "preview": _preview,
    "link": lambda owner: urlsplit(owner.generation["s3_url"]).path.rpartition("/")[0],
}


def _told(reply: httpx.Response) -> dict[str, str]:
    return {name: text for name, text in reply.headers.items() if name not in _OWN}


@pytest.mark.parametrize("door", DOORS)
def test_a_door(http: httpx.Client, user: str, door: str) -> None:
    path = DOORS[door](Belongings(user, http))
    whole, head = http.get(path), http.head(path)
    assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
    assert _told(head) == _told(whole)
    answers = [whole, head]
    if "etag" in whole.headers:
        answers.append(http.get(path, headers={"range": "bytes=1-2"}))
        assert answers[-1].status_code == 206
        unchanged = [
            http.request(verb, path, headers={"if-none-match": whole.headers["etag"]})
            for verb in ("GET", "HEAD")
        ]
        assert [reply.status_code for reply in unchanged] == [304, 304]
        assert _told(unchanged[0]) == _told(unchanged[1])
    for reply in answers:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cross-origin-resource-policy"] == "cross-origin"  # the stack allows origins
        inert = reply.headers["content-type"] == "image/png"
        assert reply.headers.get("content-security-policy", "sandbox").startswith("sandbox")
        assert inert or "content-security-policy" in reply.headers
    missing = http.head(f"{path}x" if door != "picture" else "/api/v1/s3/file/uploads%2Fnone")
    assert missing.status_code in {401, 404, 422}
    assert missing.content == b""
