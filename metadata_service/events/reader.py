"""An owner's events in the order of their commit, from any position on, without missing one.

Events are read in (xid, id) order below the snapshot's xmin: whatever has a lower transaction id than any
transaction that is still running can no longer change, so the position never passes an event that commits
later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from metadata_service.db.database import SYSTEM, Database, user
from metadata_service.db.timestamps import to_proto
from strongroom.errors import InvalidField, OffsetOutOfRange
from strongroom.families import family_name
from strongroom.metadata.v1.notification_service_pb2 import Event, EventType

BATCH: Final = 100
BATCH_OF_ALL: Final = 500
LONGEST_TRANSACTION: Final = 300.0
"""Seconds by which an event may be older than the moment from which it can be seen, by far."""
_LATEST: Final = 253402300799
"""The last second of the year 9999."""
_END_OF_TIME: Final = datetime.fromtimestamp(_LATEST, UTC)
_NOW: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text, now()
"""
_READ: Final = """
SELECT xid::text, id, type, subject_id, payload, created_at FROM events
WHERE owner_id = %(owner)s AND (xid, id) > (%(xid)s::text::xid8, %(id)s::bigint)
    AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY events.xid, events.id LIMIT %(limit)s
"""  # a bare xid would name the output column, which is text: "1000" before "999"
_READ_ALL: Final = """
SELECT xid::text, id, type, subject_id, payload, created_at, owner_id FROM events
WHERE (xid, id) > (%(xid)s::text::xid8, %(id)s::bigint)
    AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY events.xid, events.id LIMIT %(limit)s
"""
# One probe of the primary key for each place.
_BEHIND: Final = """
SELECT place.number - 1 FROM unnest(%s::text[], %s::text[], %s::bigint[]) WITH ORDINALITY
    AS place (owner_id, xid, id, number)
WHERE EXISTS (
    SELECT FROM events WHERE events.owner_id = place.owner_id
        AND (events.xid, events.id) > (place.xid::xid8, place.id)
        AND events.xid < pg_snapshot_xmin(pg_current_snapshot())
)
"""


@dataclass(frozen=True, slots=True)
class Position:
    """After one event: its transaction, its id, and when it was written."""

    xid: int
    id: int
    at: datetime

    def token(self) -> str:
        """As callers keep it: ``{xid}-{id}-{epoch seconds}``."""
        return f"{self.xid}-{self.id}-{int(self.at.timestamp())}"

    def after_silence(self, seconds: float) -> Position:
        """The same place, of which is known that nothing more had come so long after it was reached: good to
        go on from for as long as what comes now is kept.
        """
        later = timedelta(seconds=max(0.0, seconds - LONGEST_TRANSACTION))
        return replace(self, at=self.at + min(later, _END_OF_TIME - self.at))


class EventReader:
    """Reads events; ``retention`` is how many seconds they are kept."""

    def __init__(self, database: Database, retention: float) -> None:
        self._database = database
        self._retention = timedelta(seconds=retention)

    async def start(self, owner_id: str, resume_token: str) -> Position:
        """Where to begin: behind the token's event, or now. ``owner_id`` empty: in the events of all users.

        Raises InvalidField for a token that is none, OffsetOutOfRange when events after it are forgotten by
        now, or when it is of a transaction that is still to come: the database was restored since, and
        nothing would be told until it gets there.
        """
        position = parse(resume_token) if resume_token else None
        # Events carry the database's time, and are forgotten by it.
        ((xid, following, now),) = await self._database.read(user(owner_id) if owner_id else SYSTEM, _NOW)
        if position is None:
            return Position(int(xid), 0, now)
        if position.xid > int(following):
            raise OffsetOutOfRange(
                "This event is none of this database's (any more); read the lists and begin anew."
            )
        if now - position.at > self._retention:
            raise OffsetOutOfRange("Events after this one are no longer kept; read the lists and begin anew.")
        return position

    async def after(self, owner_id: str, position: Position) -> tuple[list[Event], Position]:
        """The next events, at most 100, and the position behind them."""
        params = {"owner": owner_id, "xid": str(position.xid), "id": position.id, "limit": BATCH}
        events = []
        for xid, number, kind, subject, payload, at in await self._database.read(
            user(owner_id), _READ, params
        ):
            position = Position(int(xid), number, at)
            events.append(_to_event(position, kind, subject, payload))
        return events, position

    async def all_after(
        self, position: Position, wanted: Callable[[Event], bool]
    ) -> tuple[list[Event], Position, bool]:
        """Of the next 500 events of all users those that are ``wanted``, the position behind them, and
        whether there were any.
        """
        params = {"xid": str(position.xid), "id": position.id, "limit": BATCH_OF_ALL}
        rows = await self._database.read(SYSTEM, _READ_ALL, params)
        events = []
        for xid, number, kind, subject, payload, at, owner in rows:
            position = Position(int(xid), number, at)
            event = _to_event(position, kind, subject, payload)
            event.user_id = owner
            if wanted(event):
                events.append(event)
        return events, position, bool(rows)

    async def behind(self, places: Sequence[tuple[str, Position]]) -> list[int]:
        """Which of ``places`` (owner, position) have events after them: their indexes. Nothing of the events
        is read, so one query may look for all owners.
        """
        params = (
            [owner for owner, _ in places],
            [str(position.xid) for _, position in places],
            [position.id for _, position in places],
        )
        return [int(row[0]) for row in await self._database.read(SYSTEM, _BEHIND, params)]


def _to_event(position: Position, kind: int, subject: str, payload: dict[str, Any]) -> Event:
    return Event(
        id=position.token(),
        type=cast("EventType.ValueType", kind),
        subject_id=subject,
        payload_json=json.dumps(named(payload), ensure_ascii=False, separators=(",", ":")),
        create_time=to_proto(position.at),
    )


def named(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with its family's name: rows of earlier releases hold the number."""
    family = payload.get("family")
    return payload | {"family": family_name(family)} if isinstance(family, int) else payload


def parse(token: str, field: str = "resume_token") -> Position:
    """The position that a token was made of. Raises InvalidField, of ``field``."""
    parts = token.split("-")
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 20]
    if len(parts) != 3 or len(numbers) != 3 or max(numbers[0], numbers[1]) >= 2**63 or numbers[2] > _LATEST:
        raise InvalidField(f"{field} is not the id of an event", field=field, rule="form")
    xid, number, seconds = numbers
    return Position(xid, number, datetime.fromtimestamp(seconds, UTC))
