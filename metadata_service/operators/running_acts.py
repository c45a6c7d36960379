"""Admins' acts that take storage_service many steps: their begin and their outcome are recorded, and they are
held under a lease.

    BeginAct ──▶ held (renewed) ──▶ EndAct ──▶ over
      │    ▲               └──more may come──▶ rests ──nobody comes──▶ over
      │    └──the same admin, the same act──────┘
      └──the lease runs out──▶ over, `interrupted`

Only one act that changes objects runs at a time: of two that look at one object, the second would act on what
the first is changing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from metadata_service import audit
from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from servicekit.background import BackgroundLoop, Heartbeat
from strongroom.errors import ActInProgress, UploadSuperseded
from strongroom.metadata.v1 import operations_service_pb2 as pb

#: How long to wait for the next call of an act, while other acts wait for this one.
REST_SECONDS: Final = 15.0
_AT_ONCE: Final = 20
_OUTCOMES: Final = {
    pb.ACT_OUTCOME_DONE: "done",
    pb.ACT_OUTCOME_REFUSED: "refused",
    pb.ACT_OUTCOME_FAILED: "failed",
    pb.ACT_OUTCOME_STOPPED: "stopped",
}
_COLUMNS: Final = """
act_id, act, actor, token::text, calls, counts,
greatest(extract(epoch FROM held_until - clock_timestamp()), 0)::float8,
to_char(begun_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
"""
_HELD: Final = f"SELECT {_COLUMNS} FROM running_acts WHERE changes_objects FOR UPDATE"
_BY_TOKEN: Final = f"SELECT {_COLUMNS} FROM running_acts WHERE token = %(token)s FOR UPDATE"
_OVER: Final = f"""
SELECT {_COLUMNS} FROM running_acts WHERE held_until <= now() LIMIT {_AT_ONCE} FOR UPDATE SKIP LOCKED
"""
_ADD: Final = """
INSERT INTO running_acts (act_id, act, actor, changes_objects, token, held_until)
VALUES (%(id)s, %(act)s, %(actor)s, %(changes)s, %(token)s, now() + make_interval(secs => %(lease)s))
ON CONFLICT (changes_objects) WHERE changes_objects DO NOTHING
"""
_GO_ON: Final = """
UPDATE running_acts SET token = %(token)s, calls = calls + 1,
    held_until = now() + make_interval(secs => %(lease)s)
WHERE act_id = %(id)s
"""
_RENEW: Final = """
UPDATE running_acts SET held_until = now() + make_interval(secs => %(lease)s)
WHERE token = %(token)s AND held_until > now()
"""
_REST: Final = f"""
UPDATE running_acts SET token = NULL, counts = %(counts)s,
    held_until = now() + make_interval(secs => {REST_SECONDS})
WHERE act_id = %(id)s
"""
_REMOVE: Final = "DELETE FROM running_acts WHERE act_id = %(id)s"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """A row. `token` empty: it rests between two calls. `left`: seconds until its lease ends."""

    id: int
    act: str
    actor: str
    token: str
    calls: int
    counts: Counter[str]
    left: float
    begun: str

    @classmethod
    def of(cls, row: Row | None) -> _Running | None:
        if row is None:
            return None
        act_id, act, actor, token, calls, counts, left, begun = row
        return cls(act_id, act, actor, token or "", calls, Counter(json.loads(counts)), left, begun)


class RunningActs:
    """One instance per process; `loop` ends acts that were left.

    :param lease: how long an act is held without a renewal, seconds.

    Raises DatabaseUnavailable.
    """

    def __init__(self, database: Database, heartbeat: Heartbeat, lease: float) -> None:
        self._database = database
        self._lease = lease
        self.loop = BackgroundLoop(self.run_once, heartbeat, rest_seconds=REST_SECONDS)

    async def begin(self, request: pb.BeginActRequest, act: audit.Act) -> float:
        """Begin or continue an act. `act` is recorded. Returns the lease in seconds. Raises ActInProgress."""
        params = {
            "act": act.act,
            "actor": act.actor,
            "changes": request.changes_objects,
            "token": UUID(request.token),
            "lease": self._lease,
        }

        async def work(tx: Transaction) -> None:
            running = _Running.of(await tx.fetch_one(_HELD)) if request.changes_objects else None
            if running is not None and await _goes_on(tx, running, act, params):
                return
            if await tx.fetch_one(_BY_TOKEN, params) is not None:
                return  # a repeat
            begun = await audit.write(tx, act)
            if not await tx.execute(_ADD, params | {"id": begun}):
                # an act begun after the first look is visible now, unless it is over already
                other = _Running.of(await tx.fetch_one(_HELD))
                raise _in_progress(other, mine=other.actor == act.actor) if other else _just_over()

        await self._database.transact(SYSTEM, work)
        return self._lease

    async def renew(self, token: str) -> float:
        """Renew the lease. Returns it in seconds. Raises UploadSuperseded."""
        params = {"token": UUID(token), "lease": self._lease}
        if not await self._database.transact(SYSTEM, lambda tx: tx.execute(_RENEW, params)):
            raise UploadSuperseded("The act was held for too long without a sign of life, and has ended.")
        return self._lease

    async def end(self, request: pb.EndActRequest) -> None:
        """End one call of an act, or the whole act."""

        async def work(tx: Transaction) -> None:
            running = _Running.of(await tx.fetch_one(_BY_TOKEN, {"token": UUID(request.token)}))
            if running is None:
                return
            running.counts.update(request.counts)
            if request.more_may_come and request.outcome == pb.ACT_OUTCOME_DONE:
                await tx.execute(_REST, {"id": running.id, "counts": _json(running.counts)})
            else:
                await _end(tx, running, _OUTCOMES[request.outcome], request.reason)

        await self._database.transact(SYSTEM, work)

    async def run_once(self) -> bool:
        """End acts that were left. Returns whether there may be more."""

        async def work(tx: Transaction) -> int:
            over = [_Running.of(row) for row in await tx.fetch(_OVER)]
            for running in over:
                if running is not None:
                    await _run_out(tx, running)
            return len(over)

        return await self._database.transact(SYSTEM, work) == _AT_ONCE


async def _goes_on(tx: Transaction, running: _Running, act: audit.Act, params: dict[str, object]) -> bool:
    """Whether the call continues the running act; if not, the running one is ended. Raises ActInProgress."""
    if running.token == str(params["token"]):
        return True  # a repeat
    mine = running.actor == act.actor
    if running.left and (running.token or not mine):
        raise _in_progress(running, mine=mine)
    if running.left and running.act == act.act:
        await tx.execute(_GO_ON, params | {"id": running.id})
        return True
    await _run_out(tx, running)
    return False


def _in_progress(running: _Running, *, mine: bool) -> ActInProgress:
    who = "You are" if mine else f"{running.actor} is"
    return ActInProgress(
        f"{who} changing objects just now ({running.act}, since {running.begun} UTC); nothing was touched by"
        f" this call: try again in {running.left:.0f} s, or when that has ended.",
        retry_after=max(running.left, 1.0),
        metadata={"act": running.act},
    )


def _just_over() -> ActInProgress:
    return ActInProgress(
        "Another act was changing objects just now; nothing was touched by this call: try again.",
        retry_after=1.0,
        metadata={"act": ""},
    )


async def _run_out(tx: Transaction, running: _Running) -> None:
    """Record the end of an act without further calls: done if between two calls, interrupted if during
    one.
    """
    if running.token:
        log.warning("act_interrupted", act=running.act, id=running.id)
    await _end(tx, running, "interrupted" if running.token else "done")


async def _end(tx: Transaction, running: _Running, outcome: str, reason: str = "") -> None:
    details: dict[str, object] = {"calls": running.calls, "counts": dict(sorted(running.counts.items()))}
    if reason:
        details["reason"] = reason
    await audit.write_end(tx, running.id, outcome, details)
    await tx.execute(_REMOVE, {"id": running.id})


def _json(counts: Counter[str]) -> str:
    return json.dumps(dict(counts), sort_keys=True)
