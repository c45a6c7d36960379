"""Checks both services, and their reports about S3 and Postgres."""

from __future__ import annotations

import time
from uuid import uuid4

import grpc

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.doctor.certificates import look_at_certificate
from strongroom.cli.doctor.findings import Finding, Status, fail, ok, warn
from strongroom.cli.doctor.internal import bucket_of, look_at_internal_calls
from strongroom.client.async_client import AsyncClient
from strongroom.client.channels import make_channel, uses_tls
from strongroom.client.settings import ClientSettings, Tls

SERVING, NOT_SERVING = 1, 2
#: Trailing metadata of an answer that is not SERVING: why.
REASON = "x-strongroom-reason"
TIMEOUT_SECONDS = 5.0

S3_MEND = (
    "look at AWS_S3_ENDPOINT_URL, AWS_S3_BUCKET, the region and the credentials of "
    "storage_service; its log says which; "
    "with those set here and boto3 installed, the doctor checks it directly"
)
VERSIONING_MEND = (
    "turn S3 Versioning on: strongroom bucket init, or aws s3api put-bucket-versioning --bucket NAME"
    " --versioning-configuration Status=Enabled"
)
POSTGRES_MEND = (
    "look at STRONGROOM_DATABASE_URL of metadata_service and at the server it names; "
    "its log says more; with that set "
    "here and psycopg installed, the doctor checks it directly"
)

WRITES_MEND = (
    "is its disk full, is it a standby, or is default_transaction_read_only on? metadata_service's line"
    " database_refuses_writes has the server's words"
)


async def look_at_services(settings: ClientSettings) -> list[Finding]:
    """Check the health of the processes and of their backends, and whether they accept the token."""
    findings: list[Finding] = []
    for name, address, behind, backing, mend in (
        ("storage_service", settings.storage_address, "S3", "strongroom.s3", S3_MEND),
        ("metadata_service", settings.metadata_address, "Postgres", "strongroom.postgres", POSTGRES_MEND),
    ):
        channel = make_channel(address, settings, whatever_its_health=True)
        try:
            process = await _process(channel, name, address)
            if process.status is Status.FAIL and uses_tls(address, settings):
                process = await _certificate(name, address, settings) or process
            findings.append(process)
            if process.mend == "":
                found = await _backing(channel, f"{behind}, says {name}", backing, mend)
                said = await bucket_of(settings) if found.mend and behind == "S3" else None
                findings.append(said or found)
                if behind == "S3":
                    findings += await _versioning(channel)
        finally:
            await channel.close()
    if all(not finding.mend for finding in findings):
        findings += await _signed_in(settings)
        if not findings[-1].mend:
            findings += await look_at_internal_calls(settings)
    return findings


async def _versioning(channel: grpc.aio.Channel) -> list[Finding]:
    """Check the bucket's versioning. Returns nothing if it is on, or not reported."""
    try:
        status, _ = await check_health(channel, "strongroom.versioning")
    except grpc.aio.AioRpcError:
        return []
    if status == SERVING:
        return []
    detail = "the bucket does not keep versions: projects and files at a path are refused"
    return [fail("S3 versioning, says storage_service", detail, VERSIONING_MEND)]


async def _process(channel: grpc.aio.Channel, name: str, address: str) -> Finding:
    started = time.monotonic()
    try:
        status, _ = await check_health(channel, "")
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return warn(
                name, f"something answers at {address}, but has no health service", "is it Strongroom?"
            )
        return fail(
            name,
            f"does not answer at {address}: {error.details()}",
            f"start it (`make up`, or `python -m {name} serve`), or correct STRONGROOM_"
            f"{name.split('_', maxsplit=1)[0].upper()}_ADDRESS; TLS must be on at both ends or at none",
        )
    took = (time.monotonic() - started) * 1000
    if status != SERVING:
        return fail(
            name, f"answers at {address}, but is not serving", "it is starting or stopping; look at its log"
        )
    return ok(name, f"serving at {address}, {took:.0f} ms")


async def _certificate(name: str, address: str, settings: ClientSettings) -> Finding | None:
    host, _, port = address.rsplit("/", 1)[-1].rpartition(":")
    if address.startswith("unix:") or not port.isdecimal():
        return None
    tls = settings.tls if isinstance(settings.tls, Tls) else Tls()
    return await look_at_certificate(name, host.strip("[]"), int(port), tls)


async def _backing(channel: grpc.aio.Channel, check: str, service: str, mend: str) -> Finding:
    try:
        status, reason = await check_health(channel, service)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return warn(check, "the service does not report it", "is it an older release? update it")
        return fail(check, error.details() or "no answer", mend)
    if status == SERVING:
        return ok(check, "reachable")
    if reason == "refuses_writes":
        return fail(check, "reachable, but the server refuses writes", WRITES_MEND)
    return fail(check, "not reachable", mend)


async def check_health(channel: grpc.aio.Channel, service: str) -> tuple[int, str]:
    """Return the ``ServingStatus`` of ``service`` by grpc.health.v1 (1 serving, 2 not), and one word that
    says why not, if the service says it.

    The two messages have one field each and are encoded by hand, because grpcio-health-checking is not a
    dependency.

    :raises grpc.aio.AioRpcError: there is no answer.
    """
    check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=lambda name: b"\x0a" + bytes([len(name)]) + name if name else b"",
        response_deserializer=bytes,
    )
    call = check(service.encode(), timeout=TIMEOUT_SECONDS)
    answer = await call
    reason = next((str(value) for name, value in await call.trailing_metadata() or () if name == REASON), "")
    return (answer[1] if len(answer) == 2 and answer[0] == 0x08 else 0), reason


async def _signed_in(settings: ClientSettings) -> list[Finding]:
    """Make one harmless call to each service with the token."""
    async with AsyncClient.with_settings(settings) as client:
        try:
            usage = await client.usage(timeout=TIMEOUT_SECONDS)
        except errors.StrongroomError as error:
            return [_refused("signed-in call to metadata_service", error)]
        files = shown.count(usage.file_count, "file")
        found = [ok("signed-in call to metadata_service", f"as {usage.owner_id}: {files}")]
        try:
            await client.read(uuid4(), timeout=TIMEOUT_SECONDS)
        except errors.FileNotFound:
            found.append(ok("signed-in call to storage_service", "answers, and reaches metadata_service"))
        except errors.StrongroomError as error:
            found.append(_refused("signed-in call to storage_service", error))
        else:
            found.append(
                fail(
                    "signed-in call to storage_service",
                    "a file was found under an id that does not exist",
                    "report this",
                )
            )
        return found


def _refused(check: str, error: errors.StrongroomError) -> Finding:
    if isinstance(error, errors.TokenMissing | errors.TokenInvalid | errors.TokenExpired):
        mend = "get a token that this installation accepts; in development: strongroom token --sub NAME"
    else:
        mend = "look at the service's log"
        mend += "".join(f" ({note})" for note in getattr(error, "__notes__", []))
    return fail(check, error.message, mend)
