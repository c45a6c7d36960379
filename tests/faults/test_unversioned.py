"""Keys written by several attempts, in a bucket without versions: nothing is acknowledged that does not exist
afterwards, and files acknowledged while it kept versions survive every attempt and crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from devstack import bucket
from strongroom.metadata.v1.target_pb2 import PathTarget, UploadSpec, UploadTarget
from tests.faults.cell import Cell, Service
from tests.faults.checker import Upload
from tests.faults.client import LARGE, SMALL, new_upload, read
from tests.faults.rpc import send, send_until_stored
from tests.faults.s3_faults import edit_reply
from tests.faults.s3_wire import Reply

PLACES = 15
WRITERS = 3
#: Before and after the bytes are stored, for small and large bodies. The cleaner continues what a dead writer
#: completes.
KILLS: tuple[tuple[Service, str, int], ...] = (
    ("storage", "storage.put.before", SMALL),
    ("storage", "s3.put.mid_body", SMALL),
    ("storage", "storage.put.after", SMALL),
    ("metadata", "metadata.t1.after_commit", SMALL),
    ("metadata", "metadata.t3.after_commit", LARGE),
    ("storage", "storage.s3.after_complete", LARGE),
)


def _spec(place: int, request_id: str) -> UploadSpec:
    target = UploadTarget(path=PathTarget(path=f"place-{place}.bin"))
    return UploadSpec(target=target, filename="place.bin", request_id=request_id)


def _store_first(cell: Cell, owner: str, places: int = PLACES) -> list[Upload]:
    stored = []
    for place in range(places):
        upload = Upload(owner, f"first-{place}", new_upload(f"{owner}-{place}").body)
        send_until_stored(cell, upload, _spec(place, upload.request_id))
        stored.append(upload)
    return stored


def _overwrite_all_at_once(cell: Cell, owner: str) -> list[Upload]:
    """Several writers at once for each path; with the answers."""
    uploads = [
        (place, Upload(owner, f"again-{place}-{n}", new_upload(f"{owner}-{place}-{n}").body))
        for place in range(PLACES)
        for n in range(WRITERS)
    ]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: send(cell, one[1], _spec(one[0], one[1].request_id)), uploads))
    return [upload for _, upload in uploads]


def _unreadable(cell: Cell, uploads: list[Upload]) -> list[str]:
    """Acknowledged files that a reader does not get now."""
    return [up.request_id for up in uploads if up.acked and read(cell, up.owner, up.acked) != (200, up.body)]


@contextmanager
def _suspended(cell: Cell) -> Iterator[None]:
    s3 = bucket.client(cell.store)
    s3.put_bucket_versioning(Bucket=cell.store.bucket, VersioningConfiguration={"Status": "Suspended"})
    try:
        yield
    finally:
        s3.put_bucket_versioning(Bucket=cell.store.bucket, VersioningConfiguration={"Status": "Enabled"})


def _still_enabled(reply: Reply) -> Reply:
    """storage_service's answer from a moment before versioning was suspended."""
    return Reply(reply.head, reply.body.replace(b"Suspended", b"Enabled"))


def test_a_bucket_that_never_kept_versions(cell: Cell) -> None:
    """Also during the seconds for which the answer of a versioned bucket is cached."""
    cell.run()
    s3 = bucket.client(cell.store)
    s3.delete_bucket(Bucket=cell.store.bucket)
    s3.create_bucket(Bucket=cell.store.bucket)
    try:
        uploads = _overwrite_all_at_once(cell, "never")
        assert [upload.acked for upload in uploads] == [""] * PLACES * WRITERS
        cell.checker.wait_drained()
        assert cell.checker.query("SELECT key FROM files WHERE owner_id = 'never'") == []
    finally:
        bucket.ensure(cell.store)
    first = _store_first(cell, "never", places=3)
    assert _unreadable(cell, first) == []


@pytest.mark.parametrize("noticed", ["before", "by the reply"])
def test_overwriting_at_once_where_versioning_is_suspended(cell: Cell, noticed: str) -> None:
    owner = f"suspended-{noticed[:6].strip()}"
    cell.run()
    first = _store_first(cell, owner)
    if noticed == "by the reply":
        cell.s3.arm("GetBucketVersioning", edit_reply(_still_enabled), nth=None)
    with _suspended(cell):
        uploads = _overwrite_all_at_once(cell, owner)
        assert [upload.acked for upload in uploads] == [""] * PLACES * WRITERS
        cell.checker.wait_drained()
        assert _unreadable(cell, first) == []
    assert _unreadable(cell, first) == []


@pytest.mark.parametrize(("service", "failpoint", "size"), KILLS)
def test_a_crash_keeps_what_was_acknowledged(cell: Cell, service: Service, failpoint: str, size: int) -> None:
    owner = f"crash-{failpoint.replace('.', '-')}"
    cell.run()
    (old,) = _store_first(cell, owner, places=1)
    cell.s3.arm("GetBucketVersioning", edit_reply(_still_enabled), nth=None)
    with _suspended(cell):
        cell.run(**{service: f"{failpoint}=kill"})
        late = Upload(owner, "late", new_upload(f"late-{owner}", size).body)
        assert send(cell, late, _spec(0, "late")) is None
        cell.wait_killed(service)
        cell.run()
        cell.checker.wait_drained()
        assert read(cell, owner, old.acked) == (200, old.body)
    new = Upload(owner, "new", new_upload(f"new-{owner}").body)
    send_until_stored(cell, new, _spec(0, "new"))
    cell.checker.wait_drained()
    assert read(cell, owner, new.acked) == (200, new.body)
