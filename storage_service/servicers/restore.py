"""RestoreService over gRPC, for admins: strays name keys and owners of all users."""

from __future__ import annotations

import hashlib
from typing import Final

import grpc

from servicekit import context as calls
from servicekit.auth.principal import only_admins
from storage_service.attempts.acts import HeldActs
from storage_service.objectstore.errors import translated
from storage_service.restoring.decisions import Decisions
from storage_service.restoring.relinking import Relinks
from storage_service.restoring.strays import Strays
from strongroom.enum_words import enum_word
from strongroom.storage.v1 import restore_pb2 as pb
from strongroom.storage.v1.restore_pb2_grpc import (
    RestoreServiceServicer,
    add_RestoreServiceServicer_to_server,
)

Context = grpc.aio.ServicerContext

_WHY: Final = "restore (strays are files of all users)"


class RestoreServicer(RestoreServiceServicer):
    """See strongroom/storage/v1/restore.proto."""

    def __init__(self, strays: Strays, decisions: Decisions, relinks: Relinks, acts: HeldActs) -> None:
        self._acts = acts
        self._strays = strays
        self._decisions = decisions
        self._relinks = relinks

    async def ListStrayObjects(
        self,
        request: pb.ListStrayObjectsRequest,
        context: Context[pb.ListStrayObjectsRequest, pb.ListStrayObjectsResponse],
    ) -> pb.ListStrayObjectsResponse:
        only_admins(calls.current_principal(), _WHY)
        with translated():
            page = await self._strays.page(request.cursor)
        return pb.ListStrayObjectsResponse(
            objects=page.objects, cursor=page.cursor, committed_rows=page.committed_rows
        )

    async def KeepObjects(
        self,
        request: pb.KeepObjectsRequest,
        context: Context[pb.KeepObjectsRequest, pb.KeepObjectsResponse],
    ) -> pb.KeepObjectsResponse:
        only_admins(calls.current_principal(), _WHY)
        async with self._acts.held("keep_objects") as counts:
            results = await self._decisions.keep(request.names)
            counts.update(_outcome(result) for result in results)
        return pb.KeepObjectsResponse(results=results)

    async def DropObjects(
        self,
        request: pb.DropObjectsRequest,
        context: Context[pb.DropObjectsRequest, pb.DropObjectsResponse],
    ) -> pb.DropObjectsResponse:
        only_admins(calls.current_principal(), _WHY)
        async with self._acts.held("drop_objects") as counts:
            results = await self._decisions.drop(request.names)
            counts.update(_outcome(result) for result in results)
        return pb.DropObjectsResponse(results=results)

    async def RelinkObjects(
        self,
        request: pb.RelinkObjectsRequest,
        context: Context[pb.RelinkObjectsRequest, pb.RelinkObjectsResponse],
    ) -> pb.RelinkObjectsResponse:
        only_admins(calls.current_principal(), _WHY)
        if request.dry_run:
            with translated():
                done = await self._relinks.page(request.cursor, dry_run=True)
        else:
            async with self._acts.held("relink_objects", after=_digest(request.cursor)) as counts:
                with translated():
                    done = await self._relinks.page(request.cursor, dry_run=False)
                counts.update(rows=done.rows, relinked=done.relinked, unlinked=len(done.unlinked))
        return pb.RelinkObjectsResponse(
            rows=done.rows,
            right=done.right,
            relinked=done.relinked,
            unlinked=done.unlinked,
            cursor=done.cursor,
        )


def add_restore_service(server: grpc.aio.Server, servicer: RestoreServicer) -> list[str]:
    """Register the service; returns its full name."""
    add_RestoreServiceServicer_to_server(servicer, server)
    return [pb.DESCRIPTOR.services_by_name["RestoreService"].full_name]


def _outcome(result: pb.ObjectResult) -> str:
    return enum_word(pb.ObjectOutcome.DESCRIPTOR, result.outcome)


def _digest(cursor: str) -> str:
    """The first 16 hex digits of the cursor's SHA-256: the cursor itself contains an owner's name."""
    return hashlib.sha256(cursor.encode()).hexdigest()[:16] if cursor else ""
