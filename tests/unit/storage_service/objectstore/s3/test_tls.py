"""The light path over TLS: certificates are checked, bodies stay unsigned, cancelling is as fast."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage_service.objectstore import errors
from storage_service.objectstore.values import BucketState, ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import hang, head_of, object_head, put_ok, raw
from tests.unit.storage_service.objectstore.s3.scripted_store import ATTRS, BODY, put_body, scripted


@dataclass
class Certificate:
    context: ssl.SSLContext
    file: Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=10))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    file, key_file = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return Certificate(context, file)


async def test_bodies_both_ways(certificate: Certificate) -> None:
    body = bytes(range(256)) * 8192
    get = raw(head_of(200, object_head(len(body))) + body)
    options: dict[str, Any] = {"ca_bundle": str(certificate.file)}
    async with scripted(put_ok("e1"), get, put_ok("e2"), tls=certificate.context, **options) as (
        store,
        server,
    ):
        assert (await put_body(store)).etag == "e1"
        async with store.open(ObjectRef("key")) as stream:
            assert b"".join([chunk async for chunk in stream]) == body
        assert (await put_body(store)).etag == "e2"
    assert [request.connection for request in server.requests] == [1, 1, 1]
    assert server.requests[0].body == BODY
    assert server.requests[0].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


async def test_an_unknown_certificate_is_refused_unless_told(certificate: Certificate) -> None:
    async with scripted(put_ok("e1"), tls=certificate.context, max_attempts=1) as (store, server):
        with pytest.raises(errors.StoreUnreachable, match="AWS_S3_VERIFY_SSL"):
            await put_body(store)
        assert (await store.check()).state is BucketState.UNREACHABLE
    assert server.requests == []
    async with scripted(put_ok("e1"), tls=certificate.context, verify_ssl=False) as (store, _):
        assert (await put_body(store)).etag == "e1"


async def test_clear_text_where_tls_is_expected(certificate: Certificate) -> None:
    async with scripted(put_ok("e1"), max_attempts=1) as (_, server):
        url = f"https://127.0.0.1:{server.port}"
        async with scripted(endpoint_url=url, max_attempts=1, connect_timeout=2.0) as (store, _):
            with pytest.raises((errors.StoreUnreachable, errors.StoreTimeout)):
                await put_body(store)


async def test_cancelling_while_the_store_does_not_read(certificate: Certificate) -> None:
    async with scripted(
        hang(240), tls=certificate.context, early=True, verify_ssl=False, read_timeout=240.0
    ) as (store, server):
        chunks = [bytes(1 << 20)] * 64
        task = asyncio.create_task(store.put("key", chunks, size=64 << 20, crc32c=0, attrs=ATTRS))
        while not server.requests:  # noqa: ASYNC110 - another thread fills it
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)
        async with asyncio.timeout(60):
            await store.aclose()
