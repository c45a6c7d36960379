"""The scanner with a correct clamd and a misbehaving one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from storage_service.objectstore.checksums import Counted
from storage_service.scanning.clamd import Address
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.rules import FAMILIES, ScanRules
from storage_service.scanning.run import HELD_BYTES
from storage_service.scanning.scanner import Scanner
from strongroom.errors import ContentInfected, ScannerUnavailable, SizeLimitExceeded, StrongroomError
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN, SCAN_OUTCOME_UNSCANNED, Scan
from strongroom.metadata.v1.target_pb2 import (
    FileTarget,
    GenerationTarget,
    TempTarget,
    UploadSpec,
    UploadTarget,
)
from tests.doubles.fake_clamd import FakeClamd, Fault, fake_clamd

FILE = UploadSpec(target=UploadTarget(file=FileTarget()))
FAULTS: Sequence[Fault] = [fault for fault in get_args(Fault) if fault]
SMALL, LARGE = 1000, HELD_BYTES + 300_000
#: Faults that become visible only at the end of a body, or when its sender waits.
SLOW = ("stalls", "mute")


@pytest.fixture(params=["unix", "tcp"])
async def clamd(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FakeClamd]:
    async with fake_clamd(tmp_path / "clamd.sock" if request.param == "unix" else None) as fake:
        yield fake


def rules_of(clamd: FakeClamd, **changes: object) -> ScanRules:
    rules = ScanRules(Address.parse(clamd.address), frozenset(FAMILIES), 4 << 20, False, False, 20.0)
    return replace(rules, **changes)  # type: ignore[arg-type]


async def pieces(body: bytes, size: int = 200_000) -> AsyncIterator[Counted]:
    for at in range(0, len(body), size):
        yield Counted.of(body[at : at + size])


async def scan(scanner: Scanner, body: bytes, spec: UploadSpec = FILE) -> Scan | None:
    scanned = await scanner.of(spec)
    try:
        passed = [chunk.data async for chunk in scanned.beside(pieces(body))]
        assert b"".join(passed) == body
        return await scanned.verdict()
    finally:
        scanned.close()


async def refused(scanner: Scanner, body: bytes) -> StrongroomError:
    with pytest.raises(StrongroomError) as raised:
        await scan(scanner, body)
    return raised.value


@pytest.mark.parametrize("size", [1, SMALL, HELD_BYTES, HELD_BYTES + 1, LARGE])
async def test_what_is_clean_passes_with_the_signatures_that_looked(clamd: FakeClamd, size: int) -> None:
    body = os.urandom(size)
    found = await scan(Scanner(rules_of(clamd), ScanMetrics()), body)
    assert found is not None
    assert (found.outcome, found.database, found.cause) == (SCAN_OUTCOME_CLEAN, clamd.version, "")
    assert clamd.bodies == [body]


async def test_nothing_is_no_malware_and_nobody_is_asked(clamd: FakeClamd) -> None:
    found = await scan(Scanner(rules_of(clamd), ScanMetrics()), b"")
    assert found is not None
    assert found.outcome == SCAN_OUTCOME_CLEAN
    assert clamd.bodies == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("name", ["Eicar-Test-Signature", "Win.Trojan.X-1(0123456789abcdef:68)", "a b FOUND"])
async def test_what_is_found_is_told_by_its_name(clamd: FakeClamd, size: int, name: str) -> None:
    clamd.says = f"stream: {name} FOUND"
    error = await refused(Scanner(rules_of(clamd), ScanMetrics()), bytes(size))
    assert isinstance(error, ContentInfected)
    assert error.metadata == {"signature": name}
    assert name in error.message


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("fault", FAULTS)
async def test_without_a_verdict_nothing_is_stored(clamd: FakeClamd, fault: Fault, size: int) -> None:
    clamd.fault = fault
    seconds = 0.2 if fault in SLOW else 20.0
    error = await refused(Scanner(rules_of(clamd, seconds=seconds), ScanMetrics()), os.urandom(size))
    assert isinstance(error, ScannerUnavailable)
    assert error.retry_after


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("fault", FAULTS)
async def test_or_it_is_stored_unscanned(clamd: FakeClamd, fault: Fault, size: int) -> None:
    clamd.fault = fault
    seconds = 0.2 if fault in SLOW else 20.0
    rules = rules_of(clamd, take_unscanned=True, seconds=seconds)
    found = await scan(Scanner(rules, ScanMetrics()), os.urandom(size))
    assert found is not None
    assert (found.outcome, found.cause, found.database) == (SCAN_OUTCOME_UNSCANNED, "scanner", "")


@pytest.mark.parametrize("address", ["unix:/nowhere/clamd.sock", "127.0.0.1:1"])
async def test_a_scanner_that_is_away_is_told_before_anything_is_read(address: str) -> None:
    rules = ScanRules(Address.parse(address), frozenset(FAMILIES), 4 << 20, False, False, 20.0)
    with pytest.raises(ScannerUnavailable):
        await Scanner(rules, ScanMetrics()).of(FILE)
    found = await scan(Scanner(replace(rules, take_unscanned=True), ScanMetrics()), b"body")
    assert found is not None
    assert found.cause == "scanner"


async def test_a_scanner_that_is_back_is_asked_again(tmp_path: Path) -> None:
    socket = tmp_path / "clamd.sock"
    rules = ScanRules(Address.parse(f"unix:{socket}"), frozenset(FAMILIES), 4 << 20, False, False, 20.0)
    scanner = Scanner(rules, ScanMetrics())
    with pytest.raises(ScannerUnavailable):
        await scanner.of(FILE)
    async with fake_clamd(socket) as clamd:
        scanner._away_until = 0.0
        assert await scan(scanner, b"body") is not None
        assert clamd.bodies == [b"body"]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_what_is_too_long_for_us_is_refused_or_stored_unscanned(clamd: FakeClamd, size: int) -> None:
    rules = rules_of(clamd, max_bytes=size - 1)
    error = await refused(Scanner(rules, ScanMetrics()), bytes(size))
    assert isinstance(error, SizeLimitExceeded)
    assert error.metadata["limit"] == str(size - 1)
    found = await scan(Scanner(replace(rules, take_oversized=True), ScanMetrics()), bytes(size))
    assert found is not None
    assert (found.outcome, found.cause) == (SCAN_OUTCOME_UNSCANNED, "size")
    assert clamd.bodies == []


async def test_what_is_announced_too_long_is_refused_at_once(clamd: FakeClamd) -> None:
    spec = UploadSpec(target=FILE.target, size_bytes=(4 << 20) + 1)
    with pytest.raises(SizeLimitExceeded):
        await Scanner(rules_of(clamd), ScanMetrics()).of(spec)


@pytest.mark.parametrize("size", [SMALL, LARGE, 3 << 20])
async def test_what_is_too_long_for_clamd_is_no_fault_of_the_scanner(clamd: FakeClamd, size: int) -> None:
    clamd.limit = 900
    error = await refused(Scanner(rules_of(clamd), ScanMetrics()), os.urandom(size))
    assert isinstance(error, SizeLimitExceeded)
    rules = rules_of(clamd, take_oversized=True)
    found = await scan(Scanner(rules, ScanMetrics()), os.urandom(size))
    assert found is not None
    assert found.cause == "size"


async def test_families_that_are_not_named_cost_nothing(clamd: FakeClamd) -> None:
    rules = rules_of(clamd, families=frozenset({"generation"}))
    scanner = Scanner(rules, ScanMetrics())
    assert await scan(scanner, b"body") is None
    assert await scan(scanner, b"body", UploadSpec(target=UploadTarget(temp=TempTarget()))) is None
    assert clamd.connections == 0
    assert await scan(scanner, b"body", UploadSpec(target=UploadTarget(generation=GenerationTarget())))
    assert clamd.bodies == [b"body"]


async def test_without_a_scanner_the_body_is_not_touched() -> None:
    scanner = Scanner(None, ScanMetrics())
    body = pieces(b"body")
    scanned = await scanner.of(FILE)
    assert scanned.beside(body) is body
    assert await scanned.verdict() is None


async def test_who_gives_up_lets_go_of_the_scanner(clamd: FakeClamd) -> None:
    scanned = await Scanner(rules_of(clamd), ScanMetrics()).of(FILE)
    body = scanned.beside(pieces(os.urandom(2 * LARGE)))
    for _ in range(LARGE // 200_000 + 1):
        await anext(body)
    assert not clamd.deserted.is_set()
    scanned.close()
    async with asyncio.timeout(60):
        await clamd.deserted.wait()
    assert clamd.bodies == []


@pytest.mark.parametrize(
    "text", ["clamd", "clamd:", ":3310", "clamd:0", "clamd:65536", "clamd:x", "unix:clamd.sock", "unix:"]
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"unix:/"):
        Address.parse(text)


def test_addresses() -> None:
    assert (
        Address.parse("unix:/run/clamd.ctl") == Address.parse("/run/clamd.ctl") == Address("/run/clamd.ctl")
    )
    assert Address.parse("clamd:3310") == Address.parse("tcp://clamd:3310") == Address("", "clamd", 3310)
    assert Address.parse("[::1]:3310") == Address("", "::1", 3310)
