"""An owner's events in the order of commit, from any position on, without gaps.

Events are read in (xid, id) order below the horizon (`horizon`). All transactions below it have ended, so the
position never passes an event that commits later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from metadata_service.db.database import SYSTEM, Database, user
from metadata_service.db.timestamps import to_proto
from metadata_service.events.horizon import HORIZON, Horizon
from strongroom.errors import InvalidField, OffsetOutOfRange
from strongroom.families import family_name
from strongroom.metadata.v1.notification_service_pb2 import Event, EventType

BATCH: Final = 100
BATCH_OF_ALL: Final = 500
LONGEST_TRANSACTION: Final = 300.0
"""Seconds between an event's time and the moment when it becomes readable; far more than there can be."""
_LATEST: Final = 253402300799
"""The last second of the year 9999."""
_END_OF_TIME: Final = datetime.fromtimestamp(_LATEST, UTC)
_NOW: Final = f"""
SELECT ({HORIZON})::text, pg_snapshot_xmax(pg_current_snapshot())::text, now()
"""
_READ: Final = f"""
SELECT xid::text, id, type, subject_id, payload, created_at FROM events
WHERE owner_id = %(owner)s AND (xid, id) > (%(xid)s::text::xid8, %(id)s::bigint)
    AND xid < {HORIZON}
ORDER BY events.xid, events.id LIMIT %(limit)s
"""  # a bare xid would mean the output column, which is text: "1000" sorts before "999"
_READ_ALL: Final = f"""
SELECT xid::text, id, type, subject_id, payload, created_at, owner_id FROM events
WHERE (xid, id) > (%(xid)s::text::xid8, %(id)s::bigint)
    AND xid < {HORIZON}
ORDER BY events.xid, events.id LIMIT %(limit)s
"""
# One look-up in the primary key for each place.
_BEHIND: Final = f"""
SELECT place.number - 1 FROM unnest(%(owners)s::text[], %(xids)s::text[], %(ids)s::bigint[]) WITH ORDINALITY
    AS place (owner_id, xid, id, number)
WHERE EXISTS (
    SELECT FROM events WHERE events.owner_id = place.owner_id
        AND (events.xid, events.id) > (place.xid::xid8, place.id)
        AND events.xid < {HORIZON}
)
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The position after an event: its transaction, its id and its time."""

    xid: int
    id: int
    at: datetime

    def token(self) -> str:
        """The form that callers keep: ``{xid}-{id}-{epoch seconds}``."""
        return f"{self.xid}-{self.id}-{int(self.at.timestamp())}"

    def after_silence(self, seconds: float) -> Position:
        """The same position, known to have had no event after it for ``seconds``.

        Its later time keeps it valid for as long as new events are kept.
        """
        later = timedelta(seconds=max(0.0, seconds - LONGEST_TRANSACTION))
        return replace(self, at=self.at + min(later, _END_OF_TIME - self.at))


class EventReader:
    """Reads events, up to its ``horizon``. ``retention``: for how many seconds they are kept."""

    def __init__(self, database: Database, retention: float) -> None:
        self._database = database
        self.horizon = Horizon(database)
        self._retention = timedelta(seconds=retention)

    async def start(self, owner_id: str, resume_token: str) -> Position:
        """The position to start at: after the token's event, or now if there is no token. ``owner_id`` empty:
        all users' events.

        Raises InvalidField for a malformed token. Raises OffsetOutOfRange if later events may be deleted
        already, or if the token's transaction is still to come: the database was restored since, and no event
        would be seen until it gets there.
        """
        position = parse(resume_token) if resume_token else None
        # Events have the database's time, which also decides when they are deleted.
        scope = user(owner_id) if owner_id else SYSTEM
        ((xid, following, now),) = await self._database.read(scope, _NOW, await self.horizon.params())
        if position is None:
            return Position(int(xid), 0, now)
        if position.xid > int(following):
            raise OffsetOutOfRange(
                "This event is not of this database (any more); read the lists and start again."
            )
        if now - position.at > self._retention:
            raise OffsetOutOfRange(
                "Events after this one are no longer kept; read the lists and start again."
            )
        return position

    async def after(self, owner_id: str, position: Position) -> tuple[list[Event], Position]:
        """The next events, at most 100, and the position after them."""
        params = {"owner": owner_id, **await self._from(position), "limit": BATCH}
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
        """Of the next 500 events of all users those that are ``wanted``, the position after all of them, and
        whether there were any.
        """
        params = {**await self._from(position), "limit": BATCH_OF_ALL}
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
        """Indexes of those of ``places`` (owner, position) that have events after them.

        No event's content is read, so one query may cover all owners.
        """
        params = {
            "owners": [owner for owner, _ in places],
            "xids": [str(position.xid) for _, position in places],
            "ids": [position.id for _, position in places],
            **await self.horizon.params(),
        }
        return [int(row[0]) for row in await self._database.read(SYSTEM, _BEHIND, params)]

    async def _from(self, position: Position) -> dict[str, object]:
        return {"xid": str(position.xid), "id": position.id, **await self.horizon.params()}


def _to_event(position: Position, kind: int, subject: str, payload: dict[str, Any]) -> Event:
    return Event(
        id=position.token(),
        type=cast("EventType.ValueType", kind),
        subject_id=subject,
        payload_json=json.dumps(named(payload), ensure_ascii=False, separators=(",", ":")),
        create_time=to_proto(position.at),
    )


def named(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with the family's name instead of its number, which events of earlier releases have."""
    family = payload.get("family")
    return payload | {"family": family_name(family)} if isinstance(family, int) else payload


def parse(token: str, field: str = "resume_token") -> Position:
    """The position of a token. Raises InvalidField, which names ``field``."""
    parts = token.split("-")
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 20]
    if len(parts) != 3 or len(numbers) != 3 or max(numbers[0], numbers[1]) >= 2**63 or numbers[2] > _LATEST:
        raise InvalidField(f"{field} is not the id of an event", field=field, rule="form")
    xid, number, seconds = numbers
    return Position(xid, number, datetime.fromtimestamp(seconds, UTC))
