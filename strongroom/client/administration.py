"""What an operator does; needs the admin role."""

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
    OwnerUsage,
    UsageOrder,
    to_act,
    to_attempt,
    to_erasure,
    to_owner_usage,
    to_status,
)
from strongroom.client.connection import Connection, typed
from strongroom.client.costs import Costs
from strongroom.client.family_values import Notification
from strongroom.client.files import Usage
from strongroom.client.infected import InfectedContent
from strongroom.client.replica_values import Reindexed, Replica, to_replica
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
        """Of one owner, or of all who have or had something or have limits of their own, page by page."""
        request = pb.ListUsageRequest(
            user_id=owner_id, order=ORDERS[order], page_size=PAGE, by_family=by_family
        )
        while True:
            page = await self._connection.unary(self._connection.admin.ListUsage, request, safe=True)
            for owner in page.owners:
                yield to_owner_usage(owner)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def infected(self, owner_id: str = "") -> AsyncGenerator[InfectedContent]:
        """In which stored contents, of one owner or of all, the scanner has found something."""
        request = infected_pb2.ListInfectedRequest(user_id=owner_id, page_size=PAGE)
        while True:
            page = await self._connection.unary(self._connection.admin.ListInfected, request, safe=True)
            for one in page.contents:
                yield InfectedContent.from_proto(one)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def costs(self, owner_id: str = "") -> Costs:
        """What the objects of one owner, or of all together, cost a month."""
        request = usage_service_pb2.GetCostsRequest(user_id=owner_id, all_users=not owner_id)
        found = await self._connection.unary(self._connection.usages.GetCosts, request, safe=True)
        return Costs.from_proto(found)

    async def watch(
        self,
        resume_token: str = "",
        *,
        types: Sequence[str] = (),
        families: Sequence[str] = (),
        user_ids: Sequence[str] = (),
    ) -> AsyncGenerator[Notification]:
        """What happens to everybody's files, as it happens; see ``AsyncClient.watch``.

        :param types: ``file-ready``, …; none: all but ``upload-progress``.
        :param families: ``generation``, ``project``, …; none: all. :param user_ids: none: everybody's.
        """
        request = notification_service_pb2.WatchAllRequest(
            resume_token=resume_token, types=event_types(types), families=families, user_ids=user_ids
        )
        async with aclosing(watch_all(self._connection, request)) as events:
            async for event in events:
                yield event

    async def quota(self, owner_id: str) -> Usage:
        """What the owner has stored and may store."""
        request = usage_service_pb2.GetUsageRequest(user_id=owner_id)
        found = await self._connection.unary(self._connection.usages.GetUsage, request, safe=True)
        return Usage.from_proto(found.usage)

    async def set_quota(self, owner_id: str, *, limit_bytes: int | None, limit_files: int | None) -> Usage:
        """Sets both limits; None: no limit, whatever the installation's default is.

        What is stored already stays, even over the limit.
        """
        request = usage_service_pb2.SetQuotaRequest(
            user_id=owner_id, limit_bytes=limit_bytes, limit_files=limit_files
        )
        done = await self._connection.unary(self._connection.usages.SetQuota, request, safe=True)
        return Usage.from_proto(done.usage)

    async def erase_user(self, owner_id: str, *, override_holds: bool = False) -> Erasure:
        """Begins to erase all that a user has stored, or answers the erasure that is under way.

        It goes on by itself and is over when the last object is gone for good; ``erasure`` says how far it
        is.

        :param override_holds: also what is kept until a time or on legal hold.
        :raises RetentionHeld: there is such, and nothing was erased.
        """
        request = pb.EraseUserRequest(user_id=owner_id, override_holds=override_holds)
        done = await self._connection.unary(self._connection.admin.EraseUser, request, safe=True)
        return to_erasure(done)

    async def erasure(self, erasure_id: str = "", *, owner_id: str = "") -> Erasure:
        """One by its id, or the last of a user; its receipt is there once it has ended.

        :raises NotFound: there is no such erasure.
        """
        request = pb.GetErasureRequest(id=erasure_id, user_id=owner_id)
        found = await self._connection.unary(self._connection.admin.GetErasure, request, safe=True)
        return to_erasure(found)

    async def cleaner_status(self) -> CleanerStatus:
        """How much work the cleaner has, what has failed, and who does it."""
        request = pb.GetCleanerStatusRequest()
        return to_status(
            await self._connection.unary(self._connection.admin.GetCleanerStatus, request, safe=True)
        )

    async def attempts(self, owner_id: str = "", *, everything: bool = False) -> AsyncGenerator[Attempt]:
        """What has failed; with ``everything`` all that is under way or on its way out."""
        request = pb.ListAttemptsRequest(user_id=owner_id, all=everything, page_size=PAGE)
        while True:
            page = await self._connection.unary(self._connection.admin.ListAttempts, request, safe=True)
            for one in page.attempts:
                yield to_attempt(one)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def requeue(self, ids: Sequence[str] | None, *, reset_pauses: bool = True) -> Sequence[str]:
        """Lets the cleaner try again now; None: all that has failed. Answers which; what had not failed is
        left alone. ``reset_pauses``: the pauses between tries begin anew.
        """
        request = pb.RequeueAttemptsRequest(ids=ids or (), all=ids is None, reset_pauses=reset_pauses)
        return (await self._connection.unary(self._connection.admin.RequeueAttempts, request, safe=True)).ids

    async def abort_attempt(self, attempt_id: str) -> tuple[str, str]:
        """Gives an upload up that is under way; whose it was, and its key.

        :raises NotFound: there is none of this id.
        """
        request = pb.AbortAttemptRequest(id=attempt_id)
        done = await self._connection.unary(self._connection.admin.AbortAttempt, request)
        return done.owner_id, done.key

    async def replicas(self) -> Sequence[Replica]:
        """Those of storage_service that have told of themselves within a day, by name."""
        request = replica_pb2.ListReplicasRequest()
        found = await self._connection.unary(self._connection.admin.ListReplicas, request, safe=True)
        now = found.now.ToDatetime(UTC)
        return [to_replica(one, now) for one in found.replicas]

    async def drain(self, replica: str) -> None:
        """Has it begin nothing new, and tell balancers that it does not serve, until ``undrain`` or its
        restart. It hears of it within seconds: ``replicas`` says when, and when it has ended what it has
        begun.

        :raises NotFound: nobody of this name has told of itself within a day.
        """
        request = replica_pb2.DrainReplicaRequest(name=replica)
        await self._connection.unary(self._connection.admin.DrainReplica, request, safe=True)

    async def undrain(self, replica: str) -> None:
        """Has it work again.

        :raises NotFound: nobody of this name has told of itself within a day.
        """
        request = replica_pb2.UndrainReplicaRequest(name=replica)
        await self._connection.unary(self._connection.admin.UndrainReplica, request, safe=True)

    async def reindex(self, owner_id: str = "") -> AsyncGenerator[Reindexed]:
        """Makes usage, statistics and totals of projects anew from the rows that they follow from, of one
        owner or of all; what was done so far, again and again. May be repeated.
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
        """What admins have done, newest first; only about one owner (erased or not), only of one kind."""
        request = pb.ListAdminActsRequest(user_id=owner_id, act=act, page_size=PAGE)
        while True:
            page = await self._connection.unary(self._connection.admin.ListAdminActs, request, safe=True)
            for found in page.acts:
                yield to_act(found)
            if len(page.acts) < PAGE:
                return
            request.before_id = page.acts[-1].id
