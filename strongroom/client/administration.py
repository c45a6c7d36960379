"""Operations for operators; they need the admin role."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC

import grpc

from strongroom.client.admin_values import (
    ORDERS,
    AdminAct,
    Attempt,
    CleanerStatus,
    Erasure,
    InfectedContent,
    OwnerUsage,
    Reindexed,
    Replica,
    UsageOrder,
    to_act,
    to_attempt,
    to_erasure,
    to_owner_usage,
    to_replica,
    to_status,
)
from strongroom.client.arguments import several
from strongroom.client.connection import Connection, typed
from strongroom.client.costs import Costs
from strongroom.client.family_values import Notification
from strongroom.client.files import Usage
from strongroom.client.watching import event_types, watch_all
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1 import infected_pb2, notification_service_pb2, replica_pb2, usage_service_pb2

PAGE = 200
REINDEX_SECONDS = 24 * 3600.0
"""Some hundred owners a second, those with many files more slowly."""


class Administration:
    """``AsyncClient.admin``. Every method raises ``PermissionDenied`` without the admin role."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def usage(
        self, owner_id: str = "", *, order: UsageOrder = "bytes", by_family: bool = False
    ) -> AsyncGenerator[OwnerUsage]:
        """Usage of one owner, or of all owners with files or limits of their own, fetched page by page."""
        request = pb.ListUsageRequest(
            user_id=owner_id, order=ORDERS[order], page_size=PAGE, by_family=by_family
        )
        async for page in self._connection.pages(self._connection.admin.ListUsage, request):
            for owner in page.owners:
                yield to_owner_usage(owner)

    async def infected(self, owner_id: str = "") -> AsyncGenerator[InfectedContent]:
        """Stored content, of one owner or of all, that the scanner found infected."""
        request = infected_pb2.ListInfectedRequest(user_id=owner_id, page_size=PAGE)
        async for page in self._connection.pages(self._connection.admin.ListInfected, request):
            for one in page.contents:
                yield InfectedContent.from_proto(one)

    async def costs(self, owner_id: str = "") -> Costs:
        """Estimated monthly cost of the objects of one owner, or of all owners together."""
        request = usage_service_pb2.GetCostsRequest(user_id=owner_id, all_users=not owner_id)
        found = await self._connection.unary(self._connection.usages.GetCosts, request)
        return Costs.from_proto(found)

    async def watch(
        self,
        resume_token: str = "",
        *,
        types: Sequence[str] = (),
        families: Sequence[str] = (),
        user_ids: Sequence[str] = (),
    ) -> AsyncGenerator[Notification]:
        """Events of all users as they happen; see ``AsyncClient.watch``.

        :param types: ``file-ready``, …; none: all but ``upload-progress``.
        :param families: ``generation``, ``project``, …; none: all. :param user_ids: none: all users.
        """
        request = notification_service_pb2.WatchAllRequest(
            resume_token=resume_token,
            types=event_types(types),
            families=several("families", families),
            user_ids=several("user_ids", user_ids),
        )
        async with aclosing(watch_all(self._connection, request)) as events:
            async for event in events:
                yield event

    async def quota(self, owner_id: str) -> Usage:
        """The owner's usage and limits."""
        request = usage_service_pb2.GetUsageRequest(user_id=owner_id)
        found = await self._connection.unary(self._connection.usages.GetUsage, request)
        return Usage.from_proto(found.usage)

    async def set_quota(self, owner_id: str, *, limit_bytes: int | None, limit_files: int | None) -> Usage:
        """Sets both limits; None: no limit, whatever the installation's default is.

        Existing files stay, even over the limit.
        """
        request = usage_service_pb2.SetQuotaRequest(
            user_id=owner_id, limit_bytes=limit_bytes, limit_files=limit_files
        )
        done = await self._connection.unary(self._connection.usages.SetQuota, request, safe=True)
        return Usage.from_proto(done.usage)

    async def erase_user(self, owner_id: str, *, override_holds: bool = False) -> Erasure:
        """Start to erase everything that a user has stored, or return the erasure that is already running.

        It runs in the background and ends when the last object is removed for good; ``erasure`` returns its
        progress.

        :param override_holds: also erase what is kept until a time or on legal hold.
        :raises RetentionHeld: something is kept or on hold; nothing was erased.
        """
        request = pb.EraseUserRequest(user_id=owner_id, override_holds=override_holds)
        done = await self._connection.unary(self._connection.admin.EraseUser, request, safe=True)
        return to_erasure(done)

    async def erasure(self, erasure_id: str = "", *, owner_id: str = "") -> Erasure:
        """An erasure by its id, or the last one of a user; it has a receipt once it has ended.

        :raises NotFound: there is no such erasure.
        """
        request = pb.GetErasureRequest(id=erasure_id, user_id=owner_id)
        found = await self._connection.unary(self._connection.admin.GetErasure, request)
        return to_erasure(found)

    async def cleaner_status(self) -> CleanerStatus:
        """How much work the cleaner has, what has failed, and who does it."""
        request = pb.GetCleanerStatusRequest()
        return to_status(await self._connection.unary(self._connection.admin.GetCleanerStatus, request))

    async def attempts(self, owner_id: str = "", *, everything: bool = False) -> AsyncGenerator[Attempt]:
        """Failed attempts; with ``everything`` also uploads in progress and objects being removed."""
        request = pb.ListAttemptsRequest(user_id=owner_id, all=everything, page_size=PAGE)
        async for page in self._connection.pages(self._connection.admin.ListAttempts, request):
            for one in page.attempts:
                yield to_attempt(one)

    async def requeue(self, ids: Sequence[str] | None, *, reset_pauses: bool = True) -> Sequence[str]:
        """Make the cleaner retry these attempts now; None: all that have failed. Returns which ones; those
        that had not failed are left alone. ``reset_pauses``: the pauses between tries start over.
        """
        request = pb.RequeueAttemptsRequest(ids=ids or (), all=ids is None, reset_pauses=reset_pauses)
        return (await self._connection.unary(self._connection.admin.RequeueAttempts, request, safe=True)).ids

    async def abort_attempt(self, attempt_id: str) -> tuple[str, str]:
        """Abort an upload in progress. Returns its owner and its key.

        :raises NotFound: there is no upload with this id.
        """
        request = pb.AbortAttemptRequest(id=attempt_id)
        done = await self._connection.unary(self._connection.admin.AbortAttempt, request)
        return done.owner_id, done.key

    async def replicas(self) -> Sequence[Replica]:
        """Replicas of storage_service that have reported within a day, by name."""
        request = replica_pb2.ListReplicasRequest()
        found = await self._connection.unary(self._connection.admin.ListReplicas, request)
        now = found.now.ToDatetime(UTC)
        return [to_replica(one, now) for one in found.replicas]

    async def drain(self, replica: str) -> None:
        """Make the replica start nothing new and report to load balancers that it does not serve, until
        ``undrain`` or its restart. It learns of this within seconds; ``replicas`` shows when it has, and when
        it has finished what it had started.

        :raises NotFound: no replica of this name has reported within a day.
        """
        request = replica_pb2.DrainReplicaRequest(name=replica)
        await self._connection.unary(self._connection.admin.DrainReplica, request, safe=True)

    async def undrain(self, replica: str) -> None:
        """Make the replica work again.

        :raises NotFound: no replica of this name has reported within a day.
        """
        request = replica_pb2.UndrainReplicaRequest(name=replica)
        await self._connection.unary(self._connection.admin.UndrainReplica, request, safe=True)

    async def reindex(self, owner_id: str = "") -> AsyncGenerator[Reindexed]:
        """Recompute usage, statistics and project totals from the rows they are derived from, for one owner
        or all. Yields the progress so far, repeatedly. Can be repeated.
        """
        request = replica_pb2.ReindexRequest(user_id=owner_id)
        metadata = await self._connection.metadata()
        call = self._connection.admin.Reindex(request, metadata=metadata, timeout=REINDEX_SECONDS)
        try:
            async for step in call:
                yield Reindexed(owners=step.owners, recounted=step.recounted, projects=step.projects)
        except grpc.aio.AioRpcError as error:
            raise typed(error, metadata) from error
        finally:
            call.cancel()

    async def acts(self, owner_id: str = "", *, act: str = "") -> AsyncGenerator[AdminAct]:
        """The audit log, newest first; optionally only about one owner (erased or not), or of one kind."""
        request = pb.ListAdminActsRequest(user_id=owner_id, act=act, page_size=PAGE)
        while True:
            page = await self._connection.unary(self._connection.admin.ListAdminActs, request)
            for found in page.acts:
                yield to_act(found)
            if len(page.acts) < PAGE:
                return
            request.before_id = page.acts[-1].id
