"""How the gateway translates failed calls to the services."""

from __future__ import annotations

import grpc
import pytest
from grpc import aio
from grpc_status import rpc_status  # type: ignore[import-untyped]  # published without types

from gateway.upstream.backend import Backend
from strongroom.errors import DeadlineExceeded, ServiceUnavailable, StrongroomError, to_status_proto


@pytest.fixture
def backend() -> Backend:
    return Backend("storage_service", None, seconds=1.0)  # type: ignore[arg-type]


def failed(error: StrongroomError) -> aio.AioRpcError:
    """A call whose servicer raised ``error``."""
    status = rpc_status.to_status(to_status_proto(error))
    trailers = aio.Metadata(*status.trailing_metadata)
    return aio.AioRpcError(status.code, aio.Metadata(), trailers, details=status.details)


def test_nobody_answered_is_503_with_a_time_to_come_again(backend: Backend) -> None:
    ended = aio.AioRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, aio.Metadata(), aio.Metadata(), details="Deadline Exceeded"
    )
    found = backend.error(ended)
    assert isinstance(found, ServiceUnavailable)
    assert found.retry_after
    assert found.metadata == {"service": "storage_service"}


def test_a_service_whose_caller_had_no_time_left_has_not_answered(backend: Backend) -> None:
    assert isinstance(backend.error(failed(DeadlineExceeded("no time"))), ServiceUnavailable)


@pytest.mark.parametrize(
    "message",
    [
        "the import took longer than 120 s; nothing was stored",
        "The upload brought less than 1024 bytes per second over 30 s; send faster.",
        "The reader took nothing for 30 s; ask again from where it stopped.",
    ],
)
def test_a_limit_of_the_services_own_is_told_as_it_is(backend: Backend, message: str) -> None:
    """The service has answered, so it is available, and its limit is no secret."""
    found = backend.error(failed(DeadlineExceeded(message, metadata={"limit_seconds": "30"})))
    assert isinstance(found, DeadlineExceeded)
    assert found.message == message
