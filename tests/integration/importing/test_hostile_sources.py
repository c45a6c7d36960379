"""Sources that send little and cost much: each is given up soon and for good, and others are not affected."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from servicekit.outbound import SystemResolver, UrlRules
from storage_service.content.body import BodyChecks, SizeRule
from storage_service.outbound.client import Timeouts
from storage_service.outbound.wire import WireLimits
from storage_service.uploads.importing.importer import Importer, ImportLimits, Progress
from storage_service.uploads.importing.source import SourceClient
from storage_service.uploads.upload import UploadedFile
from strongroom.errors import SourceUrlFailed, SourceUrlRefused, StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.type.v1.checksums_pb2 import Checksums
from tests.integration.importing import hostile
from tests.integration.importing.hostile import CHUNKED, HEAD
from tests.integration.importing.origin import Origin, Reply, answer, running_origin
from tests.integration.servicekit.certificates import Authority

STALL: Final = 0.3
PATIENCE: Final = 60.0
INTERIM: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
PLAIN: Final = b"content-length: 3\r\n\r\nabc"

ENDLESS: Final = {
    "interim": (hostile.endless(b"", INTERIM), "interim_answers"),
    "processing": (hostile.endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "interim_answers"),
    "hints": (hostile.endless(b"", b"HTTP/1.1 103 E\r\nlink: <a>\r\n\r\n"), "interim_answers"),
    "nine interim": (hostile.saying(INTERIM * 9, HEAD + PLAIN), "interim_answers"),
    "headers": (hostile.endless(HEAD, b"a: b\r\n"), "head_bytes"),
    "one header": (hostile.endless(HEAD + b"a: ", b"b"), "head_bytes"),
    "reason": (hostile.endless(b"HTTP/1.1 200 ", b"O"), "head_bytes"),
    "1-byte chunks": (hostile.endless(CHUNKED, b"1\r\nx\r\n"), "wire_ratio"),
    "padded sizes": (hostile.endless(CHUNKED, b"0000000000000002\r\nxx\r\n"), "wire_ratio"),
    "extensions": (
        hostile.endless(CHUNKED, b"8;a=bbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\nxxxxxxxx\r\n"),
        "wire_ratio",
    ),
    "one extension": (hostile.endless(CHUNKED + b"1;", b"a"), "wire_ratio"),
    "trailers": (hostile.endless(CHUNKED + b"3\r\nabc\r\n0\r\n", b"a: b\r\n"), "wire_ratio"),
    "one trailer": (hostile.endless(CHUNKED + b"0\r\na: ", b"b"), "wire_ratio"),
}
DRIPPING: Final = {
    "a header now and then": hostile.dripping(HEAD, hostile.numbered("a"), STALL / 4),
    "a byte of a header": hostile.dripping(HEAD, itertools.repeat(b"a"), STALL / 4),
    "a byte of the status line": hostile.dripping(
        b"H", (bytes([b]) for b in b"TTP/1.1 200 OK" * 9), STALL / 4
    ),
    "trailers": hostile.dripping(CHUNKED + b"0\r\n", hostile.numbered("a"), STALL / 4),
    "an extension": hostile.dripping(CHUNKED + b"1;", itertools.repeat(b"a"), STALL / 4),
    "a chunk's size": hostile.dripping(CHUNKED, itertools.repeat(b"0"), STALL / 4),
}
JUNK: Final = {
    "HTTP/0.9": hostile.saying(b"<html>hello</html>"),
    "SSH": hostile.saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "HTTP/2": hostile.saying(b"HTTP/2.0 200 OK\r\n" + PLAIN),
    "RTSP": hostile.saying(b"RTSP/1.0 200 OK\r\n" + PLAIN),
    "zeros": hostile.saying(bytes(4096)),
    "nothing": hostile.saying(b""),
    "half a head": hostile.saying(HEAD),
    "two lengths": hostile.saying(HEAD + b"content-length: 4\r\n" + PLAIN),
    "a negative length": hostile.saying(HEAD + b"content-length: -3\r\n\r\nabc"),
    "length and chunks": hostile.saying(
        HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ),
    "a chunk of 2^70 bytes": hostile.saying(CHUNKED + b"400000000000000000\r\n"),
    "a chunk size in words": hostile.saying(CHUNKED + b"three\r\nabc\r\n"),
    "longer than its chunk": hostile.saying(CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    "shorter than it says": hostile.saying(HEAD + b"content-length: 4\r\n\r\nabc"),
    "switching": hostile.saying(b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc"),
    "gzip": answer(hostile.bomb(), content_encoding="gzip"),
    "deflate": answer(hostile.bomb(), content_encoding="deflate"),
    "br": answer(b"abc", content_encoding="br"),
    "gzip as coding": hostile.saying(HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
}  # fmt: skip
HONEST: Final = {
    "eight interim": (hostile.saying(INTERIM * 8, HEAD + PLAIN), 3),
    "a slow start": (hostile.dripping(b"", [HEAD + PLAIN], STALL * 2), 3),
    "a body in steps": (hostile.dripping(HEAD + b"content-length: 4\r\n\r\n", [b"a"] * 4, STALL / 2), 4),
    "small chunks": (hostile.saying(CHUNKED, b"8\r\nabcdefgh\r\n" * 20_000, b"0\r\n\r\n"), 160_000),
    "few 1-byte chunks": (hostile.saying(CHUNKED, b"1\r\nx\r\n" * 2_000, b"0\r\n\r\n"), 2_000),
    "trailers": (hostile.saying(CHUNKED, b"3\r\nabc\r\n0\r\n", *hostile.numbered("a", 100), b"\r\n"), 3),
    "48 KiB of headers": (hostile.saying(HEAD, *hostile.numbered("name", 3_200), PLAIN), 3),
    "bare line feeds": (hostile.saying(b"HTTP/1.1 200 OK\ncontent-length: 3\n\nabc"), 3),
    "no reason": (hostile.saying(b"HTTP/1.1 200\r\n" + PLAIN), 3),
}


class _Sink:
    """An upload engine that stores nothing."""

    async def upload(self, source: Any, *, same_request: bytes | None = None) -> UploadedFile:
        del same_request
        checks = BodyChecks(SizeRule("test", 1 << 20), declared=None, expected=Checksums())
        async for _ in source.chunks(checks):
            pass
        return UploadedFile(File(size_bytes=checks.size))


@pytest.fixture(autouse=True)
def caller() -> Iterator[None]:
    with bind(RequestContext("test", principal=Principal("ada"))):
        yield


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with running_origin() as running:
        yield running


def _sources(authority: str, *, verify: bool = True, stall: float = STALL) -> SourceClient:
    rules = UrlRules(frozenset({80, 443}), frozenset({authority}))
    limits = WireLimits(stall_seconds=stall)
    return SourceClient(rules, SystemResolver(), Timeouts(connect=5, idle=5), verify=verify, limits=limits)


@pytest.fixture
async def patient(origin: Origin) -> AsyncIterator[Importer]:
    """An importer with a long stall limit, for sources that are given up for their length: a busy machine
    needs time to read that much.
    """
    sources = _sources(origin.authority, stall=PATIENCE)
    yield _importer(sources)
    await sources.aclose()


@pytest.fixture
async def importer(origin: Origin) -> AsyncIterator[Importer]:
    sources = _sources(origin.authority)
    yield _importer(sources)
    await sources.aclose()


def _importer(sources: SourceClient, hostile_pause: float = 0) -> Importer:
    limits = ImportLimits(20, min_rate=0, tries=2, first_pause=0, hostile_pause=hostile_pause)
    return Importer(_Sink(), sources, limits)  # type: ignore[arg-type]


async def _failure(importer: Importer, url: str) -> StrongroomError:
    with pytest.raises((SourceUrlFailed, SourceUrlRefused)) as failed:
        await importer.run(url, UploadSpec(), Progress())
    return failed.value


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_never_ends_is_given_up_at_once(origin: Origin, patient: Importer, kind: str) -> None:
    reply, limit = ENDLESS[kind]
    failed = await _failure(patient, origin.script(kind.replace(" ", "-"), reply))
    assert failed.metadata["limit"] == limit
    assert len(origin.requests(kind.replace(" ", "-"))) == 1


@pytest.mark.parametrize("kind", DRIPPING)
async def test_what_has_begun_must_go_on(origin: Origin, importer: Importer, kind: str) -> None:
    path = "drip-" + kind.replace(" ", "-").replace("'", "")
    failed = await _failure(importer, origin.script(path, DRIPPING[kind]))
    assert failed.metadata["limit"] == "stall_seconds"
    assert len(origin.requests(path)) == 1


@pytest.mark.parametrize("kind", JUNK)
async def test_what_is_no_answer_stores_nothing(origin: Origin, importer: Importer, kind: str) -> None:
    path = "junk-" + "".join(char for char in kind if char.isalnum())
    failed = await _failure(importer, origin.script(path, JUNK[kind]))
    assert failed.http_status == 502


@pytest.mark.parametrize("kind", HONEST)
async def test_what_is_only_unusual_is_taken(origin: Origin, importer: Importer, kind: str) -> None:
    reply, size = HONEST[kind]
    url = origin.script("honest-" + kind.replace(" ", "-"), reply)
    assert (await importer.run(url, UploadSpec(), Progress())).size_bytes == size


@pytest.mark.parametrize("kind", ["interim", "1-byte chunks"])
async def test_who_brought_a_hostile_source_waits_for_the_next_turn(origin: Origin, kind: str) -> None:
    """The pause limits a user who repeats hostile imports in parallel to a few a second."""
    reply, limit = ENDLESS[kind]
    sources = _sources(origin.authority)
    importer = _importer(sources, hostile_pause=0.3)
    began = time.monotonic()
    failed = await _failure(importer, origin.script("waits-" + kind.replace(" ", "-"), reply))
    assert failed.metadata["limit"] == limit
    assert time.monotonic() - began >= 0.3
    assert importer.permits.running("ada") == 0
    junk = importer.run(origin.script("waits-not", JUNK["HTTP/0.9"]), UploadSpec(), Progress())
    with pytest.raises(SourceUrlFailed) as other:
        await junk
    assert "limit" not in other.value.metadata
    await sources.aclose()


async def test_eight_of_each_cost_little(origin: Origin, importer: Importer) -> None:
    """They cost CPU of the only event loop; others' requests wait for that long."""
    urls = [origin.script(f"cost-{number}", reply) for number, (reply, _) in enumerate(ENDLESS.values())]
    began = time.thread_time()
    await asyncio.gather(*(_failure(importer, url) for url in urls for _ in range(8)))
    assert time.thread_time() - began < 0.03 * 8 * len(urls)


def _tls_record_by_record(connection: Any) -> None:
    connection.sendall(HEAD + b"content-length: 1000000\r\n\r\n")
    for _ in range(100_000):
        connection.sendall(b"x")


TLS: Final[dict[str, tuple[Reply, str]]] = {
    "1-byte records": (_tls_record_by_record, "wire_ratio"),
    "interim": (hostile.endless(b"", INTERIM), "interim_answers"),
    "headers": (hostile.dripping(HEAD, hostile.numbered("a"), STALL / 4), "stall_seconds"),
}


@pytest.mark.parametrize("kind", TLS)
async def test_tls_hides_nothing(tmp_path: Path, kind: str) -> None:
    reply, limit = TLS[kind]
    certificate = Authority(tmp_path).issue("origin")
    with hostile.raw_origin(hostile.over_tls(certificate, reply)) as port:
        stall = STALL if limit == "stall_seconds" else PATIENCE
        importer = _importer(_sources(f"127.0.0.1:{port}", verify=False, stall=stall))
        failed = await _failure(importer, f"https://127.0.0.1:{port}/")
    assert failed.metadata["limit"] == limit


async def test_a_good_source_over_tls(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue("origin")
    with hostile.raw_origin(hostile.over_tls(certificate, answer(bytes(300_000)))) as port:
        importer = _importer(_sources(f"127.0.0.1:{port}", verify=False))
        stored = await importer.run(f"https://127.0.0.1:{port}/", UploadSpec(), Progress())
        strict = _importer(_sources(f"127.0.0.1:{port}"))
        assert (await _failure(strict, f"https://127.0.0.1:{port}/")).http_status == 502
    assert stored.size_bytes == 300_000


@pytest.mark.parametrize("pieces", [itertools.repeat(b"\0"), itertools.repeat(b"\x14\x03\x03\0\x01\x01")])
async def test_a_handshake_that_drips(pieces: Iterator[bytes]) -> None:
    drip = hostile.dripping(b"\x16\x03\x03\x3f\x00", pieces, STALL / 4)
    with hostile.raw_origin(drip) as port:
        importer = _importer(_sources(f"127.0.0.1:{port}"))
        failed = await _failure(importer, f"https://127.0.0.1:{port}/")
    assert failed.metadata["limit"] == "stall_seconds"
