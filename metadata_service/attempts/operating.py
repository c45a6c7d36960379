"""What an operator can do about the cleaner's work: inspect it, retry failed work, and abort attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from metadata_service import audit
from metadata_service.blobs import operating
from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from metadata_service.db.paging import PageTokens, page_size
from metadata_service.db.timestamps import to_proto
from servicekit.telemetry.tracing import origin
from strongroom.errors import NotFound
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BlobState

PAGE: Final = (100, 1000)
#: How many ids the audit log's entry names at most.
_NAMED: Final = 20
_FIRST: Final = "00000000-0000-0000-0000-000000000000"
_REPLICAS: Final = "SELECT name, seen_at FROM cleaner_replicas ORDER BY seen_at DESC"


class Operating:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, tokens: PageTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def status(self) -> pb.GetCleanerStatusResponse:
        """The cleaner's backlog, failures and replicas, over all owners."""
        response = pb.GetCleanerStatusResponse()
        for state, count, size, due, failing, oldest in await self._database.read(SYSTEM, operating.BACKLOG):
            one = response.backlog.add(
                state=BlobState.ValueType(state), count=count, size_bytes=size, due=due, failing=failing
            )
            if oldest is not None:
                one.oldest_due_time.CopyFrom(to_proto(oldest))
        for failure, count, since, tries, example in await self._database.read(SYSTEM, operating.FAILURES):
            response.failures.add(
                failure=failure, count=count, since_time=to_proto(since), most_tries=tries, example_id=example
            )
        for name, seen_at in await self._database.read(SYSTEM, _REPLICAS):
            response.replicas.add(name=name, seen_time=to_proto(seen_at))
        ((now,),) = await self._database.read(SYSTEM, "SELECT now()")
        response.now.CopyFrom(to_proto(now))
        return response

    async def attempts(self, request: pb.ListAttemptsRequest) -> pb.ListAttemptsResponse:
        """One page of attempts. Raises InvalidPageToken."""
        query = ["ListAttempts", request.user_id, request.all]
        token = request.page_token
        owner, last = self._tokens.open(query, token, parts=2) if token else ("", _FIRST)
        limit = page_size(request.page_size, default=PAGE[0], largest=PAGE[1])
        params = {
            "owner": request.user_id,
            "all": request.all,
            "after_owner": owner,
            "after_id": last,
            "limit": limit + 1,
        }
        rows = await self._database.read(SYSTEM, operating.LIST, params)
        response = pb.ListAttemptsResponse(attempts=[_attempt(row) for row in rows[:limit]])
        if len(rows) > limit:
            response.next_page_token = self._tokens.seal(query, [rows[limit - 1][1], rows[limit - 1][0]])
        return response

    async def requeue(self, request: pb.RequeueAttemptsRequest, act: audit.Act) -> Sequence[str]:
        """Make failing attempts due now. Returns their ids, which are also added to the details of `act`."""
        statement = operating.REQUEUE if request.reset_pauses else operating.RETRY

        async def work(tx: Transaction) -> list[str]:
            rows = await tx.fetch(statement, {"all": request.all, "ids": list(request.ids)})
            ids = sorted(row[0] for row in rows)
            details = {"count": len(ids), "attempts": ids[:_NAMED]}
            await audit.write(tx, audit.Act(act.act, act.actor, details=details, request_id=act.request_id))
            return ids

        return await self._database.transact(SYSTEM, work)

    async def abort(self, attempt_id: str, act: audit.Act) -> pb.AbortAttemptResponse:
        """Move an open upload to ABORTING; the cleaner removes it. Raises NotFound."""

        async def work(tx: Transaction) -> pb.AbortAttemptResponse:
            row = await tx.fetch_one(operating.ABORT, {"id": attempt_id, "traceparent": origin()})
            if row is None:
                raise NotFound(
                    "No upload of this id is under way; files of a save end with it, and what is being"
                    " removed needs no abort."
                )
            details = {"attempt": attempt_id}
            await audit.write(
                tx, audit.Act(act.act, act.actor, row[0], details=details, request_id=act.request_id)
            )
            return pb.AbortAttemptResponse(owner_id=row[0], key=row[1])

        return await self._database.transact(SYSTEM, work)


def _attempt(row: Row) -> pb.Attempt:
    attempt_id, owner, state, key, size, tries, failure, due, lease, created, changed = row
    attempt = pb.Attempt(
        id=attempt_id,
        owner_id=owner,
        state=BlobState.ValueType(state),
        key=key,
        size_bytes=size,
        tries=tries,
        failure=failure,
        create_time=to_proto(created),
        state_time=to_proto(changed),
    )
    if due is not None:
        attempt.due_time.CopyFrom(to_proto(due))
    if lease is not None:
        attempt.lease_expire_time.CopyFrom(to_proto(lease))
    return attempt
