"""Each redirect and each resolved address is checked. SSRF_CORPUS names a folder of more cases."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from servicekit.outbound import Address, SystemResolver, UrlRules
from storage_service.content.body import BodyChecks, SizeRule
from storage_service.outbound.client import Timeouts
from storage_service.uploads.importing import importer
from storage_service.uploads.importing.importer import Importer, ImportLimits, Progress
from storage_service.uploads.importing.source import SourceClient, TransientFailure
from storage_service.uploads.upload import UploadedFile
from strongroom.errors import DeadlineExceeded, SourceUrlFailed, SourceUrlRefused, UserMismatch
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.type.v1.checksums_pb2 import Checksums
from tests.integration.importing.origin import Origin, answer, drip, redirect, running_origin

OWN_REDIRECTS = (
    {
        "name": "own: to loopback",
        "chain": [{"status": 302, "location": "http://127.0.0.1/"}],
        "expect": "block",
    },
    {
        "name": "own: to decimal",
        "chain": [{"status": 307, "location": "http://2130706433/"}],
        "expect": "block",
    },
    {
        "name": "own: to mapped",
        "chain": [{"status": 308, "location": "http://[::ffff:a00:1]/"}],
        "expect": "block",
    },
    {"name": "own: to gopher", "chain": [{"status": 301, "location": "gopher://a/"}], "expect": "block"},
)
OWN_ANSWERS = (
    {"name": "own: mixed", "answers": [["93.184.215.14", "10.0.0.1"]], "expect": "block"},
    {"name": "own: nothing", "answers": [[]], "expect": "error-not-500"},
    {"name": "own: nat64", "answers": [["64:ff9b::a9fe:a9fe"]], "expect": "block"},
)


def _cases(name: str, own: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    folder = os.environ.get("SSRF_CORPUS")
    lines = (Path(folder) / name).read_text().splitlines() if folder else []
    cases = [*own, *map(json.loads, lines)]
    # No external host is contacted; test_imports tests the bodies of origins.
    return [case for case in cases if case["expect"] in ("block", "error-not-500")]


class _Answers:
    """A resolver with scripted answers, one per query."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        del host, port
        said = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ipaddress.ip_address(text) for text in said]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with running_origin() as running:
        yield running


@pytest.fixture
async def sources(origin: Origin) -> AsyncIterator[SourceClient]:
    client = SourceClient(_rules(origin), SystemResolver(), Timeouts(connect=1, idle=1))
    yield client
    await client.aclose()


def _rules(origin: Origin) -> UrlRules:
    return UrlRules(frozenset({80, 443, 8080}), frozenset({origin.authority}))


@pytest.mark.parametrize(
    "case", _cases("redirect_scenarios.jsonl", OWN_REDIRECTS), ids=lambda case: str(case["name"])
)
async def test_redirects_that_lead_astray(
    origin: Origin, sources: SourceClient, case: dict[str, Any]
) -> None:
    hops = case["chain"]
    for number, hop in enumerate(hops):
        last = number == len(hops) - 1
        location = hop.get("location") or ""
        target = location if last else f"/hop-{number + 1}"
        origin.script(f"hop-{number}", redirect(target, hop["status"]))
    with pytest.raises((SourceUrlRefused, SourceUrlFailed)):
        async with sources.open(f"http://{origin.authority}/hop-0"):
            pass


@pytest.mark.parametrize(
    "case", _cases("dns_scenarios.jsonl", OWN_ANSWERS), ids=lambda case: str(case["name"])
)
async def test_answers_that_lead_astray(origin: Origin, case: dict[str, Any]) -> None:
    sources = SourceClient(_rules(origin), _Answers(case["answers"]), Timeouts(connect=1, idle=1))
    expected = SourceUrlRefused if case["expect"] == "block" else (SourceUrlFailed, TransientFailure)
    try:
        for _ in case["answers"]:  # a name whose address changes is checked each time
            with pytest.raises(expected):
                async with sources.open("http://rebinding.example/"):
                    pass
    finally:
        await sources.aclose()


class _Sink:
    """An upload engine that stores nothing."""

    async def upload(self, source: Any, *, same_request: bytes | None = None) -> UploadedFile:
        del same_request
        checks = BodyChecks(SizeRule("test", 1 << 20), declared=None, expected=Checksums())
        async for _ in source.chunks(checks):
            pass
        return UploadedFile(File(size_bytes=checks.size))


@pytest.fixture
def caller() -> Iterator[None]:
    with bind(RequestContext("test", principal=Principal("ada"))):
        yield


@pytest.mark.usefixtures("caller")
async def test_a_source_that_drips(
    origin: Origin, sources: SourceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "RATE_GRACE_SECONDS", 0.3)
    pulling = Importer(_Sink(), sources, ImportLimits(60, min_rate=10_000, tries=3))  # type: ignore[arg-type]
    url = origin.script("drip", drip(bytes(1000), 10, 0.1))
    with pytest.raises(SourceUrlFailed, match="too slowly"):
        await pulling.run(url, UploadSpec(), Progress())
    assert len(origin.requests("drip")) == 1


@pytest.mark.usefixtures("caller")
async def test_the_total_time_covers_all_tries(origin: Origin, sources: SourceClient) -> None:
    limits = ImportLimits(0.5, min_rate=0, tries=10, first_pause=0.2)
    pulling = Importer(_Sink(), sources, limits)  # type: ignore[arg-type]
    with pytest.raises(DeadlineExceeded, match=r"0\.5 s"):
        await pulling.run(origin.script("busy", answer(b"", status=503)), UploadSpec(), Progress())


@pytest.mark.usefixtures("caller")
async def test_for_somebody_else_nothing_is_fetched(origin: Origin, sources: SourceClient) -> None:
    pulling = Importer(_Sink(), sources, ImportLimits(5, min_rate=0, tries=1))  # type: ignore[arg-type]
    with pytest.raises(UserMismatch):
        await pulling.run(origin.script("a", answer(b"x")), UploadSpec(user_id="bob"), Progress())
    assert not origin.requests("a")


@pytest.mark.usefixtures("caller")
async def test_progress_tells_what_has_arrived(origin: Origin, sources: SourceClient) -> None:
    pulling = Importer(_Sink(), sources, ImportLimits(5, min_rate=0, tries=2, first_pause=0))  # type: ignore[arg-type]
    progress = Progress()
    url = origin.script("a", answer(b"", status=500), answer(bytes(1000)))
    assert (await pulling.run(url, UploadSpec(), progress)).size_bytes == 1000
    assert progress == Progress(received=1000, total=1000, attempt=2)
