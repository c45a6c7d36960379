"""The three services in one process: killed together, drained in order, distinguished in logs and metrics.

``STRONGROOM_FORM=one`` (`make test-both`) runs all tables of kills in this form; here are some points of each
service, where all three die at once.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from devstack.ports import HOST
from tests.faults.cell import Cell
from tests.faults.client import LARGE, SMALL, new_upload, put, putting, repeat_until_stored
from tests.faults.points import KILLS, Kill
from tests.stack import until

FORM = "one"
CELL_ENV: Final = {"STRONGROOM_METRICS_BIND": f"{HOST}:0"}
_CHOSEN: Final = (
    "gateway.upload.before_finish",
    "gateway.upload.before_reply",
    "storage.t1.after",
    "s3.put.mid_body",
    "storage.s3.after_complete",
    "metadata.t1.after_commit",
    "metadata.t4.before_commit",
    "metadata.t4.after_commit",
)
SOME: Final = [kill for kill in KILLS if kill.failpoint in _CHOSEN]


@pytest.mark.parametrize("kill", SOME, ids=str)
def test_all_three_die_at_once_and_the_promise_holds(cell: Cell, kill: Kill) -> None:
    upload = new_upload(f"user-{SOME.index(kill)}", LARGE if kill.large else SMALL)
    cell.run(**{kill.service: f"{kill.failpoint}=kill"})
    put(cell, upload)
    cell.wait_killed(kill.service)
    assert not any(cell.is_alive(name) for name in ("gateway", "storage", "metadata"))
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, kill.holds) == []
    assert repeat_until_stored(cell, upload)
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


def _heard_of(cell: Cell, user: str) -> dict[str, str]:
    """The method that each service logged for the user's request; empty until all three have."""
    lines = _lines(cell, "{")
    ids = {line["request_id"] for line in lines if line["event"] == "request" and line.get("user") == user}
    heard = {
        line["service"]: line.get("method", "")
        for line in lines
        if line["event"] in ("rpc", "request") and line.get("request_id") in ids
    }
    return heard if set(heard) == {"gateway", "storage_service", "metadata_service"} else {}


def test_each_line_names_its_service_and_one_request_has_one_id(cell: Cell) -> None:
    cell.run()
    upload = new_upload("logged")
    assert put(cell, upload).status == 201
    services = until("each has logged it", lambda: _heard_of(cell, "logged"))
    assert services["storage_service"].startswith("/strongroom.storage.")
    assert services["metadata_service"].startswith("/strongroom.metadata.")
    assert services["gateway"].startswith("POST ")


def test_one_exposition_tells_the_services_apart(cell: Cell) -> None:
    cell.run()
    text = httpx.get(_lines(cell, '"event":"metrics"')[-1]["url"], trust_env=False).text
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    samples = [(one.name, tuple(sorted(one.labels.items()))) for family in families for one in family.samples]
    assert len(samples) == len(set(samples))
    by_service = {one.labels.get("service") for family in families for one in family.samples}
    assert by_service == {"gateway", "storage", "metadata", None}
    assert sum(name == "process_resident_memory_bytes" for name in names) == 1


@pytest.mark.parametrize("service", ["storage", "metadata"])
def test_both_grpc_ports_are_served(cell: Cell, service: str) -> None:
    cell.run()
    address = cell.address(service)
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_drain_lets_an_upload_finish_whose_services_behind_it_leave_last(cell: Cell) -> None:
    cell.run(storage="storage.t4.before=sleep(1.5)")
    upload = new_upload("drained", LARGE)
    with putting(cell, upload):
        until("the upload is reserved", lambda: cell.checker.unsettled("drained"))
        cell.send("gateway", signal.SIGTERM)
    assert upload.replies == [201]
    until("the process has left", lambda: not cell.is_alive("gateway"))
    assert cell.exit_code("gateway") == 0
    drained = {line["service"] for line in _lines(cell, '"event":"draining"')}
    assert drained >= {"storage_service", "metadata_service"}
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


def _lines(cell: Cell, part: str) -> list[dict[str, Any]]:
    """The last log lines that contain ``part``."""
    lines = (line.strip() for line in cell.log("gateway", 400).splitlines())
    whole = [line for line in lines if line.startswith('{"') and line.endswith("}")]  # the first may be cut
    return [json.loads(line) for line in whole if part in line]


def _two(cell: Cell) -> list[int]:
    """The pids of the two workers, once there are two."""
    return until("two workers run", lambda: found if len(found := cell.children("gateway")) == 2 else [])


@pytest.fixture
def two_workers(cell: Cell) -> Iterator[Cell]:
    cell.stop_services()
    with cell.settings(STRONGROOM_WORKERS="2"):
        cell.run()
        yield cell
        cell.stop_services()


def test_a_worker_that_dies_is_started_again_while_the_other_one_serves(two_workers: Cell) -> None:
    cell = two_workers
    first = _two(cell)
    assert put(cell, new_upload("before")).status == 201
    os.kill(first[0], signal.SIGKILL)
    upload = new_upload("during")
    assert repeat_until_stored(cell, upload)
    second = _two(cell)
    assert first[1] in second
    assert first[0] not in second
    cell.end("gateway")
    assert cell.exit_code("gateway") == 0
    cell.stop_services()
    assert cell.children("gateway") == []


def test_workers_end_with_a_supervisor_that_is_killed(two_workers: Cell) -> None:
    cell = two_workers
    workers = _two(cell)
    cell.kill("gateway")
    until("they have ended", lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
