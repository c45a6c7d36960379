"""Every way in: what is clean is stored and says so, what is infected leaves nothing, and without the scanner
nothing is stored and nobody is to blame.
"""

from __future__ import annotations

import httpx
import pytest

from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN
from tests.clamd import FOUND
from tests.clamd_front import ClamdFront
from tests.e2e.scanning.doors import ONE_SHOT, Sender, Told
from tests.faults.checker import Checker
from tests.integration.importing.origin import Origin
from tests.stack import RunningStack, until

DOORS = ONE_SHOT
_SCANS = """
SELECT scans.outcome, scans.database, files.id FROM files
LEFT JOIN scans ON scans.owner_id = files.owner_id AND scans.blob_id = files.blob_id
WHERE files.owner_id = %s
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
        """Again, once the scanner is found to be back."""
        reply = send(sender, body(infected=False))
        assert reply.code in {"", "SCANNER_UNAVAILABLE"}
        return reply.code == ""

    until("the scanner is asked again", taken, pause=0.1)
    rows = checker.query(_SCANS, sender.name)
    assert [(row.outcome, row.database) for row in rows] == [(SCAN_OUTCOME_CLEAN, front.version)]


def test_nothing_of_what_was_refused_is_left(checker: Checker) -> None:
    checker.wait_drained()
    assert checker.problems() == []
