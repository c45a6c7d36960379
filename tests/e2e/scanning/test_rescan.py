"""Files stored before their signature was known: found later, then unreadable, and reported."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN, SCAN_OUTCOME_INFECTED
from tests.clamd import LATER, Clamd
from tests.clamd_front import ClamdFront
from tests.e2e.belongings import Belongings, upload
from tests.e2e.conftest import Login
from tests.e2e.test_byte_doors import DOORS
from tests.e2e.test_notifications import DOORS as STREAMS
from tests.e2e.test_notifications import until_seen
from tests.faults.checker import Checker
from tests.stack import RunningStack, until

Teach = Callable[[bytes], str]
_OUTCOMES = "SELECT outcome, database FROM scans WHERE owner_id = %s"


@pytest.fixture
def teach(clamd: Clamd, front: ClamdFront) -> Teach:
    """Add a signature for files that contain these bytes. Returns its name."""

    def teach(content: bytes) -> str:
        name = f"Strongroom.Late{uuid.uuid4().hex[:8]}"
        clamd.knows(name, content)
        clamd.reload()
        number = int(front.version.split("/")[1]) + 1
        front.version = f"ClamAV 1.4.6/{number}/Sun Nov 29 08:00:00 2026"
        return f"{name}.UNOFFICIAL"

    return teach


def bad(user: str) -> bytes:
    """Bytes that will be infected."""
    return LATER + user.encode()


def outcomes(checker: Checker, user: str) -> set[tuple[int, str]]:
    return {(row.outcome, row.database) for row in checker.query(_OUTCOMES, user)}


class Infected(Belongings):
    """A user whose files will all be infected."""

    def _stored(self, path: str, data: dict[str, str]) -> dict[str, object]:
        body = upload()
        name, picture, kind = body["file"]
        reply = self.http.post(path, data=data, files={"file": (name, picture + bad(self.name), kind)})
        assert reply.status_code == 201, reply.text
        found: dict[str, object] = reply.json()
        return found


def _of_families(owner: Infected) -> list[dict[str, Any]]:
    """Lines of the families' own lists."""
    ask = owner.http.get
    return [
        *ask("/api/v1/s3/files").json()["files"],
        *ask("/api/generations").json()["generations"],
        *ask(f"/api/v1/events/{owner.event_id}/media").json()["items"],
    ]


def test_what_is_found_later_is_closed_at_every_door(
    login: Login, user: str, checker: Checker, front: ClamdFront, teach: Teach
) -> None:
    http, before = login(user), front.version
    owner = Infected(user, http)
    slug = f"p-{uuid.uuid4().hex}"
    page = {"path": "index.html", "content": f"<p>{bad(user).decode()}"}
    assert http.post("/api/projects/save", json={"name": "n", "slug": slug, "files": [page]}).is_success
    owner.__dict__["project"] = slug
    paths = {name: door(owner) for name, door in DOORS.items() if name != "picture"}
    assert {http.get(path).status_code for path in paths.values()} == {200}
    assert outcomes(checker, user) == {(SCAN_OUTCOME_CLEAN, before)}
    signature = teach(bad(user))
    wanted = {(SCAN_OUTCOME_INFECTED, front.version)}
    until("all is scanned again", lambda: outcomes(checker, user) == wanted, pause=0.2)
    for name, path in paths.items():
        reply = http.get(path)
        assert (name, reply.status_code) == (name, 422)
        assert reply.json()["code"] == "CONTENT_INFECTED"
        assert reply.json()["metadata"] == {"signature": signature}
        assert bad(user) not in reply.content
        assert http.head(path).status_code == 422
    one = http.get(f"/api/v1/files/{owner.generation['id']}").json()
    assert one["scan"]["scanned_at"]
    told = {"outcome": "infected", "signature": signature, "database": front.version}
    for listed in [one, *http.get("/api/v1/files").json()["files"], *_of_families(owner)]:
        assert {name: listed["scan"][name] for name in told} == told, listed
    (plain,) = (line["id"] for line in http.get("/api/v1/files").json()["files"] if line["family"] == "files")
    copy = http.post(f"/api/v1/files/{plain}/copy", json={})
    assert (copy.status_code, copy.json()["code"]) == (422, "CONTENT_INFECTED")
    assert http.delete(f"/api/v1/s3/file/{owner.quoted_key}").is_success


@pytest.mark.parametrize("stream", STREAMS)
def test_the_owner_hears_of_it(
    stack: RunningStack, login: Login, user: str, teach: Teach, stream: Callable[..., object]
) -> None:
    http = login(user)
    with stream(stack, user) as events:  # type: ignore[attr-defined]
        stored = http.post("/api/v1/s3/upload", files=upload(bad(user), "a.txt", "text/plain"))
        assert stored.status_code == 201
        signature = teach(bad(user))
        event = until_seen(events, "file_infected")[-1]
        assert event["data"] == event["data"] | {
            "signature": signature,
            "stored": True,
            "filename": "a.txt",
            "key": stored.json()["key"],
        }
        refused = http.post("/api/v1/s3/upload", files=upload(bad(user), "b.txt", "text/plain"))
        assert refused.status_code == 422
        event = until_seen(events, "file_infected")[-1]
        assert event["data"] == {
            "family": "file",
            "filename": "b.txt",
            "request_id": "",
            "signature": signature,
            "stored": False,
        }


def test_what_was_there_before_the_scanner_is_scanned(
    login: Login, user: str, checker: Checker, front: ClamdFront, teach: Teach
) -> None:
    http: httpx.Client = login(user)
    stored = http.post("/api/v1/s3/upload", files=upload(bad(user), "a.txt", "text/plain")).json()
    link = urlsplit(stored["url"]).path
    checker.execute("DELETE FROM scans WHERE owner_id = %s", user)
    blob = checker.query("SELECT blob_id FROM files WHERE owner_id = %s", user)[0].blob_id
    note = "INSERT INTO scans (owner_id, blob_id, outcome, scanned_at) VALUES (%s, %s, 2, now())"
    checker.execute(note, user, blob)
    wanted = {(SCAN_OUTCOME_CLEAN, front.version)}
    until("it is scanned", lambda: outcomes(checker, user) == wanted, pause=0.2)
    assert http.get(link).status_code == 200
