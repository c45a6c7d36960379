"""Monthly cost of the stored objects: bytes by storage class and family, times the settings' prices.

An object's class is the one named by its upload, else the installation's; from the age on at which the bucket
moves objects (`STRONGROOM_S3_TRANSITIONS`) it is the rule's, and a verification records the actual one. The
sum includes everything that S3 bills: the trash, older versions, and objects that wait for their removal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from metadata_service.blobs.states import COMMITTED, DELETING
from metadata_service.db.database import SYSTEM, Database, user
from metadata_service.prices import Prices
from servicekit.archive_classes import CLASSES, Transition
from strongroom.families import family_name
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.usage_service_pb2 import CostLine, GetCostsResponse

BYTES_PER_GB: Final = 2**30
#: S3 "Transitioning objects using Amazon S3 Lifecycle": smaller objects are not moved.
LEAST_MOVED: Final = 128 << 10
_PREFIXES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("uploads/", "documents/", "audio/"), family_name(file_pb2.FILE_FAMILY_FILE)),
    "events/": family_name(file_pb2.FILE_FAMILY_EVENT_MEDIA),
    "users/": family_name(file_pb2.FILE_FAMILY_PROFILE_PICTURE),
    "temp/": family_name(file_pb2.FILE_FAMILY_TEMP),
    "paths/": family_name(file_pb2.FILE_FAMILY_PATH),
    "projects/": "project",
    "partials/": "unfinished",  # uploads to be concatenated
}
_GENERATION: Final = family_name(file_pb2.FILE_FAMILY_GENERATION)


class Costs:
    """One instance per process."""

    def __init__(self, database: Database, prices: Prices, transitions: Sequence[Transition]) -> None:
        self._database = database
        self._prices = prices
        self._query = _query(transitions)

    async def of(self, owner_id: str | None) -> GetCostsResponse:
        """The cost of one owner; None: of all together."""
        scope = SYSTEM if owner_id is None else user(owner_id)
        rows = await self._database.read(scope, self._query, {"owner": owner_id})
        found: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for named, moved, family, *counts in rows:
            known = found[_colder(named or self._prices.default, moved), family]
            for place, count in enumerate(counts):
                known[place] += count
        response = GetCostsResponse(usd_per_1000_writes=self._prices.writes)
        for (storage_class, family), (objects, size, written) in sorted(found.items()):
            line = self._line(storage_class, family, objects, size, written)
            response.lines.append(line)
            response.storage_usd_per_month += line.usd_per_month
            response.write_usd_per_month += written / 1000 * self._prices.writes
        return response

    def _line(self, storage_class: str, family: str, objects: int, size: int, written: int) -> CostLine:
        price = self._prices.classes.get(storage_class)
        return CostLine(
            storage_class=storage_class,
            family=family,
            object_count=objects,
            size_bytes=size,
            written_count=written,
            usd_per_gb_month=price,
            usd_per_month=size / BYTES_PER_GB * (price or 0.0),
        )


def _colder(named: str, moved: str) -> str:
    """Rules move objects only to colder classes (S3 "Supported transitions")."""
    return moved if moved and _rank(moved) > _rank(named) else named


def _rank(storage_class: str) -> int:
    return CLASSES.index(storage_class) if storage_class in CLASSES else -1


def _query(transitions: Sequence[Transition]) -> str:
    """Names and prefixes are constants, and days are integers."""
    moves = [
        f"WHEN starts_with(key, '{one.prefix}') AND created_at < now() - interval '{one.days} days'"
        f" THEN '{one.storage_class}'"
        for one in sorted(transitions, key=lambda one: (-_rank(one.storage_class), one.days))
    ]
    moved = f"CASE WHEN size_bytes < {LEAST_MOVED} THEN '' {' '.join(moves)} ELSE '' END"
    families = [f"WHEN starts_with(key, '{prefix}') THEN '{name}'" for prefix, name in _PREFIXES.items()]
    return f"""
SELECT storage_class, {moved}, CASE {" ".join(families)} ELSE '{_GENERATION}' END,
    count(*), sum(size_bytes)::bigint, count(*) FILTER (WHERE created_at > now() - interval '30 days')
FROM blobs
WHERE state IN ({COMMITTED}, {DELETING}) AND size_bytes IS NOT NULL
    AND (%(owner)s::text IS NULL OR owner_id = %(owner)s)
GROUP BY 1, 2, 3
"""
