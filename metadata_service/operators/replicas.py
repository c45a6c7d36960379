"""Replicas of storage_service: each reports its state every few seconds, and learns whether to drain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from metadata_service import audit
from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from metadata_service.db.timestamps import to_proto
from strongroom.errors import NotFound
from strongroom.metadata.v1 import replica_pb2 as pb

_COLUMNS: Final = "name, reported_at, drained_at, busy, requests, draining"
# A new process with the name of one that drained is not drained.
_REPORT: Final = """
INSERT INTO storage_replicas AS replica (name, instance, busy, requests, draining)
VALUES (%(name)s, %(instance)s, %(busy)s, %(requests)s, %(draining)s)
ON CONFLICT (name) DO UPDATE SET instance = EXCLUDED.instance, busy = EXCLUDED.busy,
    requests = EXCLUDED.requests, draining = EXCLUDED.draining, reported_at = now(),
    drained_at = CASE WHEN replica.instance = EXCLUDED.instance THEN replica.drained_at END
RETURNING drained_at IS NOT NULL
"""
_FORGET: Final = "DELETE FROM storage_replicas WHERE reported_at < now() - interval '1 day'"
_LIST: Final = f"SELECT {_COLUMNS}, now() FROM storage_replicas ORDER BY name"
_DRAIN: Final = f"""
UPDATE storage_replicas SET drained_at = coalesce(drained_at, now()) WHERE name = %(name)s
RETURNING {_COLUMNS}
"""
_UNDRAIN: Final = f"UPDATE storage_replicas SET drained_at = NULL WHERE name = %(name)s RETURNING {_COLUMNS}"


class Replicas:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, replica: pb.Replica, instance: str) -> bool:
        """Record a replica's state. Returns whether it should drain."""
        params = {
            "name": replica.name,
            "instance": UUID(instance),
            "busy": list(replica.busy),
            "requests": replica.requests,
            "draining": replica.draining,
        }

        async def work(tx: Transaction) -> bool:
            ((drain,),) = await tx.fetch(_REPORT, params)
            await tx.execute(_FORGET)
            return bool(drain)

        return await self._database.transact(SYSTEM, work)

    async def all(self) -> pb.ListReplicasResponse:
        """Replicas that reported within the last day."""
        rows: Sequence[Row] = await self._database.read(SYSTEM, _LIST)
        response = pb.ListReplicasResponse(replicas=[_replica(row[:-1]) for row in rows])
        if rows:
            response.now.CopyFrom(to_proto(rows[0][-1]))
        return response

    async def drain(self, name: str, act: audit.Act) -> pb.Replica:
        """Make the replica begin nothing new. Raises NotFound."""
        return await self._change(_DRAIN, name, act)

    async def undrain(self, name: str, act: audit.Act) -> pb.Replica:
        """Let the replica work again. Raises NotFound."""
        return await self._change(_UNDRAIN, name, act)

    async def _change(self, statement: str, name: str, act: audit.Act) -> pb.Replica:
        async def work(tx: Transaction) -> pb.Replica:
            row = await tx.fetch_one(statement, {"name": name})
            if row is None:
                raise NotFound(
                    "No storage_service of this name has reported within a day:"
                    " `strongroom admin replicas` lists them."
                )
            details = {"replica": name}
            await audit.write(tx, audit.Act(act.act, act.actor, details=details, request_id=act.request_id))
            return _replica(row)

        return await self._database.transact(SYSTEM, work)


def _replica(row: Row) -> pb.Replica:
    name, reported_at, drained_at, busy, requests, draining = row
    replica = pb.Replica(
        name=name, report_time=to_proto(reported_at), busy=busy, requests=requests, draining=draining
    )
    if drained_at is not None:
        replica.drain_time.CopyFrom(to_proto(drained_at))
    return replica
