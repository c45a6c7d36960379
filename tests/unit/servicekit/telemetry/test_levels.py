"""Log levels of requests."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import descriptor_pool

from metadata_service.servicers import INTERNAL
from servicekit.telemetry.logs import POLLING, level_of, level_of_status
from strongroom.errors import (
    ChecksumMismatch,
    FileNotFound,
    InternalTokenInvalid,
    ObjectLost,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServiceUnavailable,
    SourceUrlFailed,
    StrongroomError,
    TokenInvalid,
)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ObjectLost("gone"), "error"),
        (ServiceUnavailable("away"), "error"),
        (SourceUrlFailed("a server that the caller has named"), "info"),
        (RateLimited("slow down", retry_after=1), "warning"),
        (PermissionDenied("no"), "warning"),
        (TokenInvalid("no"), "warning"),
        (InternalTokenInvalid("no"), "warning"),
        (QuotaExceeded("full"), "info"),
        (ChecksumMismatch("the caller's"), "info"),  # gRPC calls that DATA_LOSS
        (FileNotFound("none"), "info"),
    ],
)
@pytest.mark.parametrize("quiet", [False, True])
def test_failures_are_never_quiet(error: StrongroomError, level: str, *, quiet: bool) -> None:
    assert level_of(error.code, error, quiet=quiet) == level


def test_what_works_is_quiet_where_it_is_asked_again_and_again() -> None:
    ok = grpc.StatusCode.OK
    assert (level_of(ok, None, quiet=True), level_of(ok, None, quiet=False)) == ("debug", "info")
    assert level_of(grpc.StatusCode.UNKNOWN, None, quiet=True) == "error"
    assert (level_of_status(200, quiet=True), level_of_status(503, quiet=True)) == ("debug", "error")


def test_polling_names_rpcs_that_exist_and_all_that_loops_claim_or_renew() -> None:
    services = [descriptor_pool.Default().FindServiceByName(name) for name in INTERNAL]
    methods = {method.name for service in services for method in service.methods}
    assert methods >= POLLING
    again_and_again = {name for name in methods if name.startswith(("Claim", "Renew"))}
    assert {"ClaimDeliveries", "ClaimUnread", "RenewAct"} <= again_and_again <= POLLING
