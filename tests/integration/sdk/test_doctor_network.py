"""The doctor's checks of the network: certificates, and buffering proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from strongroom.cli.doctor import proxy
from strongroom.cli.doctor.certificates import look_at_certificate
from strongroom.cli.doctor.findings import Finding, Status
from strongroom.cli.doctor.gateway import look_at_gateway
from strongroom.cli.doctor.proxy import BODIES, EVENTS, look_at_buffering
from strongroom.cli.doctor.services import look_at_services
from strongroom.client.settings import ClientSettings, Tls
from tests.integration.servicekit.certificates import Authority

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 1000\n\n"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """A port that accepts handshakes and closes the connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        if context is None:
                            connection.recv(1024)
                            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        else:
                            context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue  # the client refused the certificate

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def serving(authority: Authority, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.load_cert_chain(*authority.issue(name))
    return context


@pytest.mark.parametrize(
    ("host", "hours", "told", "mend"),
    [
        ("localhost", (-1, 1), "is for 127.0.0.1, not for localhost", "subjectAltName has localhost"),
        ("127.0.0.1", (-9, -8), "has expired", "renew it"),
        ("127.0.0.1", (8, 9), "is not valid yet", "clocks"),
        ("127.0.0.1", (-1, 1), "does not trust the signer", "STRONGROOM_TLS_CA"),
    ],
)
async def test_what_is_wrong_with_a_certificate(
    tmp_path: Path, host: str, hours: tuple[int, int], told: str, mend: str
) -> None:
    authority = Authority(tmp_path)
    authority.hours = hours
    stranger = mend == "STRONGROOM_TLS_CA"
    tls = Tls(ca=Authority(tmp_path, "other").path if stranger else authority.path)
    with listening(serving(authority, "service")) as port:
        found = await look_at_certificate("storage_service", host, port, tls)
    assert found is not None
    assert (found.status, found.check) == (Status.FAIL, "storage_service")
    assert told in found.detail
    assert mend in found.mend


async def test_a_good_certificate_and_no_tls_at_all(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = Tls(ca=authority.path)
    with listening(serving(authority, "service")) as port:
        assert await look_at_certificate("x", "127.0.0.1", port, tls) is None
    with listening(None) as port:
        found = await look_at_certificate("x", "127.0.0.1", port, tls)
    assert found is not None
    assert "does not speak TLS" in found.detail
    assert await look_at_certificate("x", "127.0.0.1", 1, tls) is None


async def test_the_doctor_says_so_for_services_and_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with listening(serving(authority, "service")) as port:
        address = f"localhost:{port}"
        settings = ClientSettings(address, address, tls=Tls(ca=authority.path))
        services = await look_at_services(settings)
        gateway = await look_at_gateway(f"https://localhost:{port}", {})
    assert [found.check for found in [*services, *gateway]] == [
        "storage_service", "metadata_service", "gateway",
    ]  # fmt: skip
    for found in [*services, *gateway]:
        assert "is for 127.0.0.1, not for localhost" in found.detail


@asynccontextmanager
async def gateway(*, holds_bodies: bool = False, holds_answers: bool = False) -> AsyncIterator[str]:
    """A gateway behind a proxy that holds back request bodies or responses."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        try:
            if head.startswith(b"POST") and not holds_bodies:
                writer.write(REFUSED)
            elif head.startswith(b"GET") and holds_answers:
                writer.write(STREAM.removesuffix(b"retry: 1000\n\n"))
            elif head.startswith(b"GET"):
                writer.write(STREAM)
            await writer.drain()
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def statuses(found: list[Finding]) -> dict[str, Status]:
    return {finding.check: finding.status for finding in found}


async def test_a_way_that_passes_bytes_on() -> None:
    async with gateway() as url:
        assert statuses(await look_at_buffering(url, "token")) == {BODIES: Status.OK, EVENTS: Status.OK}
        assert statuses(await look_at_buffering(url, None)) == {BODIES: Status.OK}
    assert await look_at_buffering(url, "token") == []


@pytest.mark.parametrize(("bodies", "answers"), [(True, False), (False, True), (True, True)])
async def test_a_proxy_that_holds_back(bodies: bool, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "TIMEOUT_SECONDS", 1.0)
    async with gateway(holds_bodies=bodies, holds_answers=answers) as url:
        found = await look_at_buffering(url, "token")
    failed = {one.check for one in found if one.status is Status.FAIL}
    assert failed == {check for check, held in ((BODIES, bodies), (EVENTS, answers)) if held}
    for one in found:
        assert one.status is Status.OK or "nginx: proxy_" in one.mend
