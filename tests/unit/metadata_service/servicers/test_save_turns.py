"""Calls whose cost grows with a project run one at a time per owner; other owners don't wait."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from metadata_service.db.database import Scope
from metadata_service.servicers.project_save_service import ProjectSaveServicer
from strongroom.metadata.v1 import project_save_service_pb2 as pb


class Slow:
    """Stands in for the use cases: each call waits until the test releases it."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.go = asyncio.Event()

    async def reserve(self, request: pb.ReserveFilesRequest) -> list[Any]:
        await self._work(f"reserve {request.owner_id}")
        return []

    async def commit(self, request: pb.CommitSaveRequest) -> pb.CommitSaveResponse:
        await self._work(f"commit {request.owner_id}")
        return pb.CommitSaveResponse()

    async def transact(self, scope: Scope, work: object) -> None:
        """For `abandon`, which has no use case of its own."""
        await self._work(f"abandon {scope.uid}")

    async def _work(self, what: str) -> None:
        self.running.append(what)
        await self.go.wait()


async def test_one_at_a_time_of_each_owner() -> None:
    slow, unused = Slow(), Any
    use_cases: dict[str, Any] = {"database": slow, "starter": unused, "remover": unused, "keys": unused}
    servicer = ProjectSaveServicer(stager=slow, committer=slow, **use_cases)  # type: ignore[arg-type]
    context: Any = None
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(servicer.ReserveFiles(pb.ReserveFilesRequest(owner_id="ada"), context))
        group.create_task(servicer.CommitSave(pb.CommitSaveRequest(owner_id="ada"), context))
        group.create_task(servicer.CommitSave(pb.CommitSaveRequest(owner_id="bob"), context))
        given_up = pb.AbandonSaveRequest(owner_id="ada", save_id=str(uuid.uuid4()))
        group.create_task(servicer.AbandonSave(given_up, context))
        for _ in range(10):
            await asyncio.sleep(0)
        assert slow.running == ["reserve ada", "commit bob"]
        slow.go.set()
    assert slow.running[2:] == ["reserve ada", "reserve ada", "commit ada", "abandon ada"]
