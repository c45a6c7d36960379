"""The same promises under ``python -m devstack up``, whose supervisor alone restarts killed processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from devstack.stackfile import S3Entry
from tests.faults.checker import Checker, Upload
from tests.faults.client import LARGE, new_upload
from tests.servers import copy_cluster, forks_of_run, room
from tests.stack import RunningStack, Service, start_stack, until

ENV = {
    "STRONGROOM_PART_SIZE_BYTES": str(5 << 20),
    "STRONGROOM_FAILPOINTS_STORAGE": "storage.s3.after_complete=kill",
    "STRONGROOM_FAILPOINTS_GATEWAY": "gateway.upload.before_reply=kill@2",
}


@pytest.fixture(scope="module")
def stack(run_folder: Path) -> Iterator[RunningStack]:
    with room(run_folder) as folder, closing(forks_of_run(run_folder)) as forks:
        copy_cluster(run_folder, folder)
        with start_stack(folder, ENV, forks.start_stack) as running:
            yield running


@pytest.fixture(scope="module")
def checker(stack: RunningStack) -> Checker:
    state = stack.state
    return Checker(state["postgres"]["dsn"], S3Entry(**state["s3"]))


def _put(stack: RunningStack, upload: Upload) -> int:
    with stack.http(upload.owner) as client:
        reply = client.post(
            "/api/v1/s3/upload",
            headers={"idempotency-key": upload.request_id},
            files={"file": ("file.bin", upload.body, "application/octet-stream")},
        )
    if reply.status_code == 201:
        upload.acked = reply.json()["key"]
    return reply.status_code


def test_an_interrupted_upload_is_finished_by_the_restarted_service(
    stack: RunningStack, checker: Checker
) -> None:
    """Killed by its failpoint, which only its first start has; the next process rolls the completion
    forward.
    """
    upload = new_upload("supervised", LARGE)
    before = stack.pid("storage")
    if stack.form == "three":
        assert _put(stack, upload) == 503
    else:
        with pytest.raises(httpx.TransportError):  # the gateway dies with it
            _put(stack, upload)
    until("storage_service runs again", lambda: stack.pid("storage") != before)
    stack.wait_ready()
    checker.wait_drained()
    assert checker.must_hold(upload, "visible") == []
    assert _put(stack, upload) == 201
    assert checker.must_hold(upload, "visible") == []


@pytest.mark.parametrize("service", ["gateway", "storage", "metadata"])
def test_what_was_acknowledged_outlives_a_kill(
    stack: RunningStack, checker: Checker, service: Service
) -> None:
    upload = new_upload(f"before-{service}")
    assert until("the upload is acknowledged", lambda: _acknowledged(stack, upload))
    stack.kill(service)
    with stack.http(upload.owner) as client:
        reply = client.get(f"/api/v1/s3/file/{upload.acked}")
    assert (reply.status_code, reply.content) == (200, upload.body)
    checker.wait_drained()
    assert checker.problems(upload) == []


def _acknowledged(stack: RunningStack, upload: Upload) -> bool:
    """Repeats after a broken connection: the gateway's own failpoint acts once, between commit and answer."""
    try:
        return _put(stack, upload) == 201
    except httpx.TransportError:
        return False
