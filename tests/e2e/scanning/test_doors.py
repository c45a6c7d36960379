"""Every way of uploading: clean bodies are stored and marked so, infected ones leave nothing, and without the
scanner nothing is stored and the sender is not blamed.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN
from tests.clamd import FOUND
from tests.clamd_front import ClamdFront
from tests.e2e.belongings import TUS
from tests.e2e.scanning.doors import (
    ONE_SHOT,
    PROJECTS,
    SESSIONS,
    Body,
    Sender,
    Told,
    begin_direct,
    large,
    text,
    told,
)
from tests.faults.checker import Checker
from tests.integration.importing.origin import Origin
from tests.stack import RunningStack, until

DOORS = ONE_SHOT | SESSIONS
_SCANS = """
SELECT scans.outcome, scans.database, files.id FROM files
LEFT JOIN scans ON scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id
WHERE files.owner_id = %s
"""

_PROJECT_SCANS = """
SELECT scans.outcome, scans.database FROM project_files AS files
LEFT JOIN scans ON scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id
WHERE files.owner_id = %s AND files.until_version IS NULL
"""


@pytest.fixture
def sender(stack: RunningStack, http: httpx.Client, user: str, origin: Origin) -> Sender:
    return Sender(stack, http, user, origin)


@pytest.mark.parametrize("door", DOORS)
def test_a_door(sender: Sender, checker: Checker, front: ClamdFront, door: str) -> None:
    send, body = DOORS[door]
    refused = send(sender, body(infected=True))
    assert refused == Told(422, "CONTENT_INFECTED", FOUND)
    assert checker.query("SELECT id FROM files WHERE owner_id = %s", sender.name) == []
    with front.away():
        away = send(sender, body(infected=False))
    assert (away.status, away.code) == (503, "SCANNER_UNAVAILABLE")
    assert away.retry_after > 0

    def taken() -> bool:
        """Retried, once the scanner is found to be back."""
        reply = send(sender, body(infected=False))
        assert reply.code in {"", "SCANNER_UNAVAILABLE"}
        return reply.code == ""

    until("the scanner is asked again", taken, pause=0.1)
    rows = checker.query(_SCANS, sender.name)
    assert [(row.outcome, row.database) for row in rows] == [(SCAN_OUTCOME_CLEAN, front.version)]


@pytest.mark.parametrize("door", PROJECTS)
def test_a_project(sender: Sender, checker: Checker, front: ClamdFront, door: str) -> None:
    """All files of a save are stored, or none."""
    send, body = PROJECTS[door]
    assert send(sender, body(infected=True)) == Told(422, "CONTENT_INFECTED", FOUND)
    assert sender.http.get("/api/projects/site").status_code == 404
    with front.away():
        away = send(sender, body(infected=False))
    assert (away.status, away.code) == (503, "SCANNER_UNAVAILABLE")
    until("the scanner is asked again", lambda: send(sender, body(infected=False)).code == "", pause=0.1)
    rows = checker.query(_PROJECT_SCANS, sender.name)
    assert [(row.outcome, row.database) for row in rows] == 2 * [(SCAN_OUTCOME_CLEAN, front.version)]


@pytest.mark.parametrize("body", [text, large])
def test_a_direct_upload_is_completed_once_the_scanner_is_back(
    sender: Sender, front: ClamdFront, body: Body
) -> None:
    path = f"{begin_direct(sender, body(infected=False))}/complete"
    with front.away():
        assert told(sender.http.post(path, json={"parts": []})).code == "SCANNER_UNAVAILABLE"
    until("it is", lambda: sender.http.post(path, json={"parts": []}).is_success, pause=0.1)


@pytest.mark.parametrize("body", [text, large])
def test_a_resumable_upload_goes_on_once_the_scanner_is_back(
    sender: Sender, front: ClamdFront, body: Body
) -> None:
    content = body(infected=False)
    made = sender.http.post("/files", headers=TUS | {"upload-length": str(len(content))})
    url, headers = made.headers["location"], TUS | {"content-type": "application/offset+octet-stream"}
    with front.away():
        reply = sender.http.patch(url, headers=headers | {"upload-offset": "0"}, content=content)
        assert told(reply).code == "SCANNER_UNAVAILABLE"

    def ended() -> bool:
        asked = sender.http.head(url, headers=TUS)
        if not asked.is_success:
            return False
        at = int(asked.headers["upload-offset"])
        rest = headers | {"upload-offset": str(at)}
        return at == len(content) or sender.http.patch(url, headers=rest, content=content[at:]).is_success

    until("it has ended", ended, pause=0.1)
    (file,) = sender.http.get("/api/v1/s3/files").json()["files"]
    assert sender.http.get(f"/api/v1/s3/file/{quote(file['key'], safe='')}").content == content


def test_an_infected_session_is_over(sender: Sender) -> None:
    """A repeat gets the same answer; nothing is retried for ever."""
    path = begin_direct(sender, text(infected=True))
    assert told(sender.http.post(f"{path}/complete", json={"parts": []})).code == "CONTENT_INFECTED"
    assert told(sender.http.post(f"{path}/complete", json={"parts": []})).status == 410


def test_nothing_of_what_was_refused_is_left(checker: Checker) -> None:
    # It waited for the scanner until its sender gave up, and stays as long as any unfinished upload.
    checker.execute("UPDATE upload_sessions SET expires_at = now() WHERE ended = 0")
    checker.execute("UPDATE blobs SET lease_expires_at = now() WHERE state = 1")
    checker.wait_drained()
    objects = ("object without", "row without", "open multipart", "delete marker")
    assert [one for one in checker.problems() if one.startswith(objects)] == []
    # Another checker covers rows of projects.
    owners = checker.query("SELECT owner_id FROM usage EXCEPT SELECT owner_id FROM projects")
    assert len(owners) > 1
    for row in owners:
        assert checker.damage_of(row.owner_id) == []
