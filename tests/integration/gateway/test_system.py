"""Health, readiness, metrics, documents, request ids, CORS, methods."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from openapi_spec_validator import validate

from gateway.upstream.readiness import METADATA_LOOPS, STORAGE_LOOPS
from strongroom.version import PROTOCOL, VERSION, this_build
from tests.integration.gateway.fakes.servers import NOT_SERVING
from tests.integration.gateway.harness import Running, bearer, run_gateway


async def test_healthz_knows_nothing_of_what_is_behind(gateway: Running) -> None:
    assert gateway.backends.storage_server is not None
    await gateway.backends.storage_server.stop(0)
    gateway.client.headers.pop("authorization")
    response = await gateway.client.get("/healthz")
    build = {"version": VERSION, "commit": this_build().commit, "protocol": PROTOCOL}
    assert (response.status_code, response.json()) == (200, {"status": "ok", **build})


async def test_readyz_names_each(gateway: Running) -> None:
    gateway.client.headers.pop("authorization")
    response = await gateway.client.get("/readyz")
    names = (
        "storage",
        "metadata",
        "postgres",
        "s3",
        "versioning",
        "internal",
        *STORAGE_LOOPS,
        *METADATA_LOOPS,
    )
    assert response.json() == {"status": "ready", "checks": dict.fromkeys(names, "ok")}


@pytest.mark.parametrize(
    ("name", "side", "service"),
    [
        ("storage", "storage", ""),
        ("metadata", "metadata", ""),
        ("postgres", "metadata", "strongroom.postgres"),
        ("s3", "storage", "strongroom.s3"),
        ("versioning", "storage", "strongroom.versioning"),
        ("internal", "storage", "strongroom.internal"),
        *((name, "storage", f"strongroom.{name}") for name in STORAGE_LOOPS),
        *((name, "metadata", f"strongroom.{name}") for name in METADATA_LOOPS),
    ],
)
async def test_readyz_when_one_is_not(gateway: Running, name: str, side: str, service: str) -> None:
    await getattr(gateway.backends, f"{side}_health").set(service, NOT_SERVING)
    response = await gateway.client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["code"] == "SERVICE_UNAVAILABLE"
    assert "retry-after" in response.headers
    failed = [key for key, value in response.json()["checks"].items() if value != "ok"]
    assert failed == [name] if service else failed[0] == name  # calls avoid a process that is not serving
    assert name in response.json()["detail"]


@pytest.mark.parametrize(("name", "reason"), [("s3", "bucket_missing"), ("versioning", "suspended")])
async def test_readyz_tells_the_bucket_s_state(gateway: Running, name: str, reason: str) -> None:
    health = gateway.backends.storage_health
    health.reasons[f"strongroom.{name}"] = reason
    await health.set(f"strongroom.{name}", NOT_SERVING)
    checks = (await gateway.client.get("/readyz")).json()["checks"]
    assert {key: value for key, value in checks.items() if value != "ok"} == {
        name: f"storage_service says {reason}"
    }


async def test_readyz_and_files_while_a_service_is_gone(gateway: Running) -> None:
    assert gateway.backends.storage_server is not None
    await gateway.backends.storage_server.stop(0)
    response = await gateway.client.get("/readyz")
    failed = {key for key, value in response.json()["checks"].items() if value != "ok"}
    assert (response.status_code, failed) == (
        503,
        {"storage", "s3", "versioning", "internal", *STORAGE_LOOPS},
    )
    response = await gateway.client.get("/api/v1/s3/file/uploads/alice/x")
    assert (response.status_code, response.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert response.json()["metadata"] == {"service": "storage_service"}
    assert "127.0.0.1" not in response.text


async def test_metrics(gateway: Running) -> None:
    await gateway.client.get("/api/v1/s3/files")
    await gateway.client.get("/nowhere")
    text = (await gateway.client.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/api/v1/s3/files",status="200"} 1.0' in text
    assert 'http_requests_total{method="GET",route="(none)",status="404"} 1.0' in text
    assert "http_request_duration_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text


async def test_made_up_paths_and_names_make_no_series_of_their_own(gateway: Running) -> None:
    async def labels() -> set[tuple[str, str]]:
        text = (await gateway.client.get("/metrics")).text
        return set(re.findall(r'\b(method|route)="([^"]*)"', text))

    async def tour(name: str) -> None:
        for path in (f"/{name}", f"/api/v1/{name}/../x", f"/%2e%2e/{name}", f"/l/{name}", f"/files/{name}"):
            await gateway.client.get(path)
        await gateway.client.get("/api/v1/s3/files", params={"prefix": name})
        await gateway.client.request("PROPFIND", f"/{name}")
        await gateway.client.request("M-SEARCH", "/api/v1/s3/files")

    await tour("first")
    await labels()  # it has a route of its own
    before = await labels()
    assert ("route", "(none)") in before
    assert ("method", "other") in before
    for name in ("second", 'a"} 1', "%00", "x" * 900, "%F0%9F%92%A5", "status=200"):
        await tour(name)
    assert await labels() == before


async def test_openapi_and_docs_come_from_here(gateway: Running) -> None:
    gateway.client.headers.pop("authorization")
    document = (await gateway.client.get("/openapi.json")).json()
    validate(document)
    assert document["servers"] == [{"url": str(gateway.client.base_url).rstrip("/")}]
    page = await gateway.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        asset = await gateway.client.get(f"/{link}")
        assert asset.status_code == 200
        assert asset.headers["content-type"].startswith(("text/javascript", "text/css"))
    assert (await gateway.client.get("/docs/other.js")).status_code == 404
    assert "://" not in page.text


async def test_request_ids(gateway: Running) -> None:
    for given in ("abc-123", "A.b_9"):
        response = await gateway.client.get("/healthz", headers={"X-Request-Id": given})
        assert response.headers["x-request-id"] == given
    for bad in ("", "a b", "x" * 200, "<script>", "a\tb"):
        made = (await gateway.client.get("/nowhere", headers={"X-Request-Id": bad})).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)
    problem = await gateway.client.get("/nowhere", headers={"X-Request-Id": "seen"})
    assert problem.json()["request_id"] == "seen"


async def test_deadlines_and_ids_travel_on(gateway: Running) -> None:
    await gateway.client.get("/api/v1/s3/files")
    (left,) = gateway.backends.files.faults.deadlines
    assert left is not None
    assert 0 < left <= 30


async def test_a_service_that_does_not_answer_in_time() -> None:
    async with run_gateway(rpc_seconds=0.2) as gateway:
        gateway.backends.files.faults.gate.clear()
        response = await gateway.client.get("/api/v1/s3/files")
        assert (response.status_code, response.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert response.json()["metadata"] == {"service": "metadata_service"}
        assert int(response.headers["retry-after"]) >= 1


async def test_unknown_routes_and_methods(gateway: Running) -> None:
    response = await gateway.client.get("/api/v1/s3/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
    response = await gateway.client.put("/api/v1/s3/files")
    assert (response.status_code, response.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    response = await gateway.client.options("/api/v1/s3/files")
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_head_on_json(gateway: Running) -> None:
    response = await gateway.client.head("/livez")
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "15", b"")


async def test_cors() -> None:
    async with run_gateway(cors_origins=("https://app.test",)) as gateway:
        preflight = await gateway.client.options(
            "/api/v1/s3/upload",
            headers={
                "Origin": "https://app.test",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, idempotency-key, content-type",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.test"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert {"authorization", "idempotency-key"} <= {name.strip() for name in allowed.split(",")}
        problem = await gateway.client.get("/nowhere", headers={"Origin": "https://app.test"})
        assert problem.headers["access-control-allow-origin"] == "https://app.test"
        assert "etag" in problem.headers["access-control-expose-headers"].lower()
        other = await gateway.client.get("/healthz", headers={"Origin": "https://evil.test"})
        assert "access-control-allow-origin" not in other.headers


async def test_no_cors_unless_set(gateway: Running) -> None:
    response = await gateway.client.get("/healthz", headers={"Origin": "https://app.test"})
    assert "access-control-allow-origin" not in response.headers


async def test_a_bug_is_a_problem_without_details(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("postgresql://user:password@db/strongroom")

    monkeypatch.setattr(gateway.services.metadata, "unary", broken)
    response = await gateway.client.get("/api/v1/s3/files", headers=bearer())
    assert (response.status_code, response.json()["code"]) == (500, "INTERNAL")
    assert "password" not in response.text
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_https(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with run_gateway(http_tls_cert=certificate, http_tls_key=key) as gateway:
        trust = ssl.create_default_context(cafile=str(certificate))
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            response = await client.get(f"https://localhost:{gateway.port}/healthz")
        assert response.json()["status"] == "ok"


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, valid for an hour, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths
