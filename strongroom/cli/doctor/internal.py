"""Checks whether storage_service and metadata_service accept each other's credentials, and whether all clocks
agree.
"""

from __future__ import annotations

import time
from typing import Final

from strongroom import errors
from strongroom.cli.doctor.findings import Finding, fail, ok, warn
from strongroom.client.connection import Connection
from strongroom.client.settings import ClientSettings
from strongroom.storage.v1 import diagnostics_service_pb2 as pb
from strongroom.storage.v1.diagnostics_service_pb2_grpc import DiagnosticsServiceStub

TIMEOUT_SECONDS: Final = 8.0
CHECK: Final = "storage_service to metadata_service"
CLOCKS: Final = "clocks of the services"
#: Five minutes are tolerated, but it should be fixed long before.
WARN_SECONDS: Final = 30.0
DIFFER_MEND: Final = (
    "give storage_service and metadata_service the same STRONGROOM_INTERNAL_SECRET, and restart both"
)
CLOCK_MEND: Final = "set the machines' clocks (chronyd, systemd-timesyncd)"
REACH_MEND: Final = "look at STRONGROOM_METADATA_ADDRESS (and the TLS settings) of storage_service"


async def look_at_internal_calls(settings: ClientSettings) -> list[Finding]:
    """Check a call from storage_service to metadata_service, made at our request."""
    connection = Connection(settings)
    stub = DiagnosticsServiceStub(connection.channel(settings.storage_address))
    before = time.time()
    try:
        answer = await connection.unary(stub.Diagnose, pb.DiagnoseRequest(), timeout=TIMEOUT_SECONDS)
    except errors.Unimplemented:
        return [warn(CHECK, "storage_service does not report it", "is it an older release? update it")]
    except errors.StrongroomError as error:
        return [fail(CHECK, error.message, "look at the log of storage_service")]
    finally:
        await connection.close()
    ours = (before + time.time()) / 2
    theirs = answer.time.seconds + answer.time.nanos / 1e9
    return [_call(answer.internal), _clocks(answer.internal, theirs - ours)]


async def bucket_of(settings: ClientSettings) -> Finding | None:
    """Return storage_service's report of a bucket that it can't use; None if there is no report."""
    connection = Connection(settings)
    stub = DiagnosticsServiceStub(connection.channel(settings.storage_address))
    try:
        answer = await connection.unary(stub.Diagnose, pb.DiagnoseRequest(), timeout=TIMEOUT_SECONDS)
    except errors.StrongroomError:
        return None
    finally:
        await connection.close()
    found = answer.bucket
    if found.state in ("", "ok"):
        return None
    where = f" (the bucket is in {found.region})" if found.region else ""
    return fail("S3, says storage_service", found.state.replace("_", " ") + where, found.advice)


def _call(found: pb.InternalCall) -> Finding:
    outcomes = pb.InternalCall
    match found.outcome:
        case outcomes.OUTCOME_OK:
            return ok(CHECK, "accepted")
        case outcomes.OUTCOME_SECRET_DIFFERS:
            return fail(CHECK, "refused: STRONGROOM_INTERNAL_SECRET differs between the two", DIFFER_MEND)
        case outcomes.OUTCOME_CLOCK_DIFFERS:
            seconds = f"{found.clock_difference_seconds:.0f} s"
            return fail(CHECK, f"refused: their clocks differ by {seconds}", CLOCK_MEND)
        case outcomes.OUTCOME_UNREACHABLE:
            return fail(CHECK, "metadata_service does not answer storage_service", REACH_MEND)
    return fail(CHECK, "it fails", "look at the log of metadata_service")


def _clocks(found: pb.InternalCall, ahead: float) -> Finding:
    """Compare the clocks. ``ahead``: how far storage_service's clock is ahead of ours, in seconds."""
    told = [f"storage_service's is {_span(ahead)} this machine's"]
    differences = [abs(ahead)]
    if found.outcome == pb.InternalCall.OUTCOME_OK:
        told.append(f"metadata_service's is {_span(found.clock_difference_seconds)} storage_service's")
        differences.append(abs(found.clock_difference_seconds))
    if max(differences) >= WARN_SECONDS:
        return warn(CLOCKS, "; ".join(told), CLOCK_MEND)
    return ok(CLOCKS, "agree within " + f"{max(*differences, 0.1):.1f} s")


def _span(seconds: float) -> str:
    if abs(seconds) < 1:
        return "level with"
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"
