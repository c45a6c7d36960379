"""Exports, and restores from an archive class, whose process dies: an incomplete export is never taken for a
complete one, and the owner is told once of restored bytes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from strongroom import Client
from strongroom.client import RetryPolicy
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READABLE
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import new_upload, put, read
from tests.faults.s3_faults import stall
from tests.faults.s3_proxy import Exchange, Rule
from tests.faults.s3_wire import Head, Reply, error_reply
from tests.stack import until

_PIECE: Final = 1 << 20
_LOOK_NOW: Final = "UPDATE archive_restores SET look_at = now()"
_WAITED_FOR: Final = "SELECT FROM archive_restores WHERE owner_id = %s"
_EVENTS: Final = "SELECT count(*) AS count FROM events WHERE owner_id = %s AND type = %s"


class Archive:
    """Makes the store report one object as being in GLACIER. ``asked``: how often its restore was
    requested.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.is_back = False

    async def __call__(self, exchange: Exchange, rule: Rule) -> None:
        request = exchange.request
        match request.method:
            case "POST":
                await exchange.read_body()
                self.asked += 1
                await exchange.answer(Reply(Head("HTTP/1.1 202 Accepted", ()), b""))
            case "GET" if not self.is_back:
                await exchange.answer(error_reply(403, "InvalidObjectState"))
            case "HEAD":
                reply = await exchange.apply(b"")
                said = 'ongoing-request="false"' if self.is_back else 'ongoing-request="true"'
                more = (("x-amz-storage-class", "GLACIER"), ("x-amz-restore", said))
                await exchange.answer(Reply(Head(reply.head.line, (*reply.head.headers, *more)), reply.body))
            case _:
                await exchange.relay()


@pytest.fixture
def stored(cell: Cell, request: pytest.FixtureRequest) -> Iterator[Upload]:
    """A user's file, which must still exist at the end."""
    upload = new_upload(request.node.name.replace("_", "-"), 3 * _PIECE)
    cell.run()
    assert put(cell, upload).status == 201
    yield upload
    assert read(cell, upload.owner, upload.acked) == (200, upload.body)
    assert cell.checker.must_hold(upload, "visible") == []


def export(cell: Cell, upload: Upload, path: Path) -> None:
    """Request an export once."""
    addresses = cell.storage_address, cell.address("metadata")
    with Client(*addresses, token=cell.token(upload.owner), retry=RetryPolicy(attempts=1)) as client:
        client.export(path)


def opened(path: Path) -> tuple[list[bytes], list[str]]:
    """The files in an export, and the reasons for missing ones."""
    with zipfile.ZipFile(path) as archive:
        found = [archive.read(name) for name in archive.namelist() if name.startswith("files/")]
        return found, [lost["reason"] for lost in json.loads(archive.read("manifest.json"))["lost"]]


def test_an_export_that_breaks_off_leaves_nothing_and_may_be_repeated(
    cell: Cell, stored: Upload, tmp_path: Path
) -> None:
    path = tmp_path / "all.zip"
    rule = cell.s3.arm("GetObject", stall(2 * _PIECE), key=stored.acked)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(export, cell, stored, path)
        rule.wait_reached()
        cell.kill("storage")
        with pytest.raises(ServiceUnavailable):
            asked.result()
    cell.s3.retire(rule)
    assert list(tmp_path.iterdir()) == []
    cell.run()
    export(cell, stored, path)
    assert opened(path) == ([stored.body], [])


def test_who_waits_for_archived_bytes_hears_of_them_once(cell: Cell, stored: Upload, tmp_path: Path) -> None:
    archive = Archive()
    rule = cell.s3.arm("*", archive, nth=None, key=stored.acked)
    noted = cell.postgres.arm("INSERT INTO archive_restores", at="after", then=lambda: cell.kill("metadata"))
    assert read(cell, stored.owner, stored.acked)[0] == 503
    noted.wait_reached()
    cell.wait_killed("metadata")
    cell.run()
    assert archive.asked == 1
    export(cell, stored, tmp_path / "all.zip")
    found, (reason,) = opened(tmp_path / "all.zip")
    assert (found, "archive class" in reason) == ([], True), reason
    told = cell.postgres.arm("DELETE FROM archive_restores", at="after", then=lambda: cell.kill("metadata"))
    archive.is_back = True
    cell.kill("storage")
    cell.checker.execute(_LOOK_NOW)
    cell.start()  # so that it checks at once
    told.wait_reached()
    cell.wait_killed("metadata")
    cell.run()
    until("nobody waits for it", lambda: not cell.checker.query(_WAITED_FOR, stored.owner))
    cell.s3.retire(rule)
    assert cell.checker.query(_EVENTS, stored.owner, EVENT_TYPE_FILE_READABLE)[0].count == 1
