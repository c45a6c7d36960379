"""One trace per request, from the gateway to S3 and Postgres, with any distribution over processes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from devstack import infra
from tests.doubles.otlp_collector import Collector, Seen, collecting
from tests.e2e import samples
from tests.e2e.belongings import project
from tests.integration.importing.origin import Origin, answer
from tests.integration.webhooks.receiver import Receiver, running_receiver
from tests.shared_stack import shared_stack
from tests.stack import RunningStack, until

SERVER, CLIENT = 2, 3
EVERYWHERE: Final = {"gateway", "storage_service", "metadata_service"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def hosts(origin: Origin, receiver: Receiver) -> str:
    """Private addresses that may be contacted."""
    return f"{origin.authority},{receiver.authority}"


@pytest.fixture(scope="module", params=["one", "three"])
def traced(
    request: pytest.FixtureRequest,
    servers: infra.Infra,
    hosts: str,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningStack]:
    env = {
        **collector.env,
        "STRONGROOM_FORM": request.param,
        "STRONGROOM_IMPORT_ALLOW_HOSTS": hosts,
        "STRONGROOM_WEBHOOK_INTERVAL_SECONDS": "0.2",
        "STRONGROOM_READ_GRACE_SECONDS": "0",
    }
    with shared_stack(servers, tmp_path_factory.mktemp("traced") / "data", env) as running:
        yield running


class Client:
    """Requests, each with an id. ``spans``: the complete trace of one."""

    def __init__(self, http: httpx.Client, collector: Collector) -> None:
        self._http = http
        self._collector = collector

    def request(self, method: str, path: str, **more: Any) -> tuple[httpx.Response, str]:
        request_id = uuid.uuid4().hex
        headers = {"x-request-id": request_id, **more.pop("headers", {})}
        reply = self._http.request(method, path, headers=headers, **more)
        assert reply.is_success, (path, reply.text)
        return reply, request_id

    def spans(self, request_id: str, services: set[str] = EVERYWHERE, *, with_call: str = "") -> list[Seen]:
        """``with_call``: a call without which the trace is not complete. In one process, calls have no span
        on the caller's side, so nothing else tells that one is missing.
        """

        def whole() -> list[Seen]:
            trace = self._collector.trace_of(request_id)
            found = self._collector.of(trace) if trace else []
            ids = {span.id for span in found}
            roots = [span for span in found if span.parent not in ids]
            calls = {span.id for span in found if span.kind == CLIENT and span.name.startswith("strongroom.")}
            told = {span.service for span in found} >= services and calls <= {span.parent for span in found}
            told = told and any(span.name.endswith(with_call) for span in found)
            return found if told and len(roots) == 1 else []

        found = until(f"the trace of {request_id} is whole", whole)
        (root,) = [span for span in found if span.parent not in {other.id for other in found}]
        assert (root.service, root.kind) == ("gateway", SERVER)
        return found


@pytest.fixture
def client(traced: RunningStack, collector: Collector) -> Iterator[Client]:
    with traced.http(f"user-{uuid.uuid4()}") as http:
        yield Client(http, collector)


def names(spans: list[Seen], service: str) -> set[str]:
    return {span.name for span in spans if span.service == service}


def uploaded(client: Client, headers: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
    form = {"file": ("a.txt", b"traced", "text/plain")}
    reply, request_id = client.request("POST", "/api/v1/s3/upload", files=form, headers=headers or {})
    return reply.json(), request_id


@pytest.mark.parametrize("given", [False, True])
def test_a_form(client: Client, given: bool) -> None:
    trace = uuid.uuid4().hex
    _, request_id = uploaded(client, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"} if given else None)
    spans = client.spans(request_id, with_call="/Commit")
    assert not given or {span.trace for span in spans} == {trace}
    assert names(spans, "gateway") == {"POST /api/v1/s3/upload"}
    assert {"strongroom.storage.v1.StorageService/Upload", "S3 PutObject"} <= names(spans, "storage_service")
    below = [span for span in spans if span.name.startswith("postgresql ")]
    rpcs = {span.id: span for span in spans if span.service == "metadata_service" and span.kind == SERVER}
    assert below
    assert all(span.parent in rpcs and span.kind == CLIENT for span in below)
    assert any(rpc.name.endswith("/Commit") for rpc in rpcs.values())
    assert all(not span.is_error for span in spans)


def test_pieces_of_tus(client: Client) -> None:
    whole, piece = 3 * 5000, b"x" * 5000
    made, create = client.request(
        "POST", "/files", headers={"tus-resumable": "1.0.0", "upload-length": str(whole)}
    )
    client.spans(create, {"gateway", "metadata_service"})
    for number in range(3):
        headers = {
            "tus-resumable": "1.0.0",
            "upload-offset": str(number * 5000),
            "content-type": "application/offset+octet-stream",
        }
        _, request_id = client.request("PATCH", made.headers["location"], headers=headers, content=piece)
        spans = client.spans(request_id)
        assert any(name.startswith("S3 ") for name in names(spans, "storage_service"))


def test_a_download_a_list_and_a_failure(client: Client, traced: RunningStack) -> None:
    stored, _ = uploaded(client)
    _, request_id = client.request("GET", f"/api/v1/s3/file/{stored['key']}")
    assert "S3 GetObject" in names(client.spans(request_id), "storage_service")
    _, request_id = client.request("GET", "/api/v1/s3/files")
    spans = client.spans(request_id, {"gateway", "metadata_service"})
    assert "GET /api/v1/s3/files" in names(spans, "gateway")
    trace = spans[0].trace

    def logged() -> set[str]:
        lines = [json.loads(line) for line in traced.log("gateway").splitlines() if line.startswith("{")]
        return {line["trace_id"] for line in lines if line.get("request_id") == request_id}

    assert until("the request is logged", logged) == {trace}


def test_a_project(client: Client) -> None:
    _, request_id = client.request("POST", "/api/projects/save", json=project("traced"))
    spans = client.spans(request_id)
    assert "S3 PutObject" in names(spans, "storage_service")


def test_an_import(client: Client, origin: Origin) -> None:
    url = origin.script("traced", answer(samples.png()))
    body = {"url": url, "type": "text-to-image", "prompt": "a fox"}
    _, request_id = client.request("POST", "/api/generations", json=body)
    assert "S3 PutObject" in names(client.spans(request_id), "storage_service")


def test_what_the_cleaner_removes(client: Client, collector: Collector) -> None:
    before = len(collector.spans())
    stored, _ = uploaded(client)
    _, deleted = client.request("DELETE", f"/api/v1/s3/file/{stored['key']}")

    def removed() -> list[Seen]:
        works = [span for span in collector.spans()[before:] if span.name == "clean" and not span.parent]
        return [work for work in works if "S3 DeleteObject" in {s.name for s in collector.of(work.trace)}]

    (work, *_) = until("the cleaner's trace has its request to S3", removed)
    assert work.service == "storage_service"
    assert work.links == (collector.trace_of(deleted),)


def test_what_waits_links_to_the_request_that_left_it(
    client: Client, collector: Collector, receiver: Receiver
) -> None:
    name = f"hook-{uuid.uuid4()}"
    made, _ = client.request("POST", "/api/webhooks", json={"url": receiver.url(name)})
    form = {"file": ("fox.png", samples.png(), "image/png")}
    _, stored = client.request("POST", "/api/v1/s3/upload", files=form)

    def linked() -> dict[str, Seen]:
        trace = collector.trace_of(stored)
        return {span.name: span for span in collector.spans() if trace and trace in span.links}

    def followed() -> dict[str, Seen]:
        found = linked()
        return found if {"deliver webhook", "read media"} <= set(found) else {}

    found = until("what follows from the upload is done", followed)
    assert found["deliver webhook"].attributes["webhook_id"] == made.json()["id"]
    assert all(not span.parent and span.service == "storage_service" for span in found.values())
