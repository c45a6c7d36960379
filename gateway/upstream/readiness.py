"""Whether everything behind the gateway is ready: both services, Postgres and S3 as the services see them,
and the services' background loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no types published

from gateway.upstream.backend import Backend
from servicekit.probes import REASON

OK: Final = "ok"
#: Background loops of the services; each reports its own heartbeat.
STORAGE_LOOPS: Final = ("cleaner", "project_keys", "upload_sweep")
METADATA_LOOPS: Final = ("event_listen", "event_notify")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be ready. ``service``: its name in the health service of ``backend`` (``""``: the
    process).
    """

    name: str
    backend: Backend
    service: str = ""


def checks(storage: Backend, metadata: Backend) -> tuple[Check, ...]:
    """The checks of ``/readyz``."""
    return (
        Check("storage", storage),
        Check("metadata", metadata),
        Check("postgres", metadata, "strongroom.postgres"),
        Check("s3", storage, "strongroom.s3"),
        Check("versioning", storage, "strongroom.versioning"),
        Check("internal", storage, "strongroom.internal"),
        *(Check(name, storage, f"strongroom.{name}") for name in STORAGE_LOOPS),
        *(Check(name, metadata, f"strongroom.{name}") for name in METADATA_LOOPS),
    )


class Readiness:
    """Queries the health services (grpc.health.v1). ``seconds``: time limit of each query."""

    def __init__(self, wanted: Sequence[Check], *, seconds: float) -> None:
        self._checks = wanted
        self._seconds = seconds

    async def look(self) -> dict[str, str]:
        """The result of each check by name: ``ok``, or why not. Contains no addresses or hosts."""
        states = await asyncio.gather(*(self._state(check) for check in self._checks))
        return {check.name: state for check, state in zip(self._checks, states, strict=True)}

    async def _state(self, check: Check) -> str:
        """The result of one check. The process itself is checked over each channel that calls use."""
        channels = check.backend.channels if check.service == "" else (check.backend.channel,)
        states = await asyncio.gather(*(self._over(channel, check) for channel in channels))
        return next((state for state in states if state != OK), OK)

    async def _over(self, channel: aio.Channel, check: Check) -> str:
        stub = health_pb2_grpc.HealthStub(channel)
        call = stub.Check(health_pb2.HealthCheckRequest(service=check.service), timeout=self._seconds)
        try:
            answer = await call
        except aio.AioRpcError as error:
            return _why(check, error.code())
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return OK
        reason = dict(await call.trailing_metadata()).get(REASON)
        return f"{check.backend.name} says {reason or 'it does not work'}"


def _why(check: Check, code: StatusCode) -> str:
    if code is StatusCode.NOT_FOUND:
        return f"{check.backend.name} does not watch it"
    if code is StatusCode.DEADLINE_EXCEEDED:
        return f"{check.backend.name} did not answer in time"
    return f"{check.backend.name} can't be reached"
