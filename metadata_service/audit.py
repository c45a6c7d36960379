"""The audit log of admins' acts: written in the transaction that performs them, and never changed.

The user whom an act was about is removed from it when that user is erased. A digest stays, with which anybody
who knows the user's id can compare.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from metadata_service.db.paging import page_size
from metadata_service.db.timestamps import to_proto
from strongroom.errors import InvalidField
from strongroom.metadata.v1.admin_service_pb2 import AdminAct

#: SQL: AdminAct.owner_sha256 of the parameter `owner`; needs `installation` in the FROM.
OWNER_SHA256: Final = "sha256(convert_to(installation.id::text || E'\\n' || %(owner)s::text, 'UTF8'))"
PAGE: Final = (100, 1000)
#: The acts that can be listed: docs/admin.md, "Acts".
NAMES: Final = (
    *("start_verification", "repair_findings", "restore_quarantined", "purge_quarantined", "keep_objects"),
    *("drop_objects", "relink_objects", "export_user", "erase_user", "reindex", "set_quota"),
    *("retry_attempts", "requeue_attempts", "abort_attempt", "drain_replica", "undrain_replica"),
    *("place_hold", "lift_hold", "set_retention"),
    *("create_webhook", "update_webhook", "rotate_webhook_secret", "delete_webhook"),
)

_WRITE: Final = f"""
INSERT INTO admin_acts (act, actor, owner_sha256, details, outcome, request_id)
SELECT %(act)s, %(actor)s, CASE WHEN %(owner)s::text <> '' THEN {OWNER_SHA256} END, %(details)s, %(outcome)s,
    %(request_id)s
FROM installation
RETURNING id
"""
# About the same user as the act that it ends, unless that user was erased since.
_WRITE_END: Final = """
WITH ended AS (
    INSERT INTO admin_acts (act, actor, owner_sha256, details, outcome, request_id)
    SELECT begun.act, begun.actor, begun.owner_sha256, %(details)s, %(outcome)s, begun.request_id
    FROM admin_acts AS begun WHERE begun.id = %(begun)s
    RETURNING id
)
INSERT INTO admin_act_owners (owner_id, act_id)
SELECT owners.owner_id, ended.id FROM ended, admin_act_owners AS owners WHERE owners.act_id = %(begun)s
"""
_ABOUT: Final = "INSERT INTO admin_act_owners (owner_id, act_id) VALUES (%(owner)s, %(id)s)"
LIST: Final = f"""
SELECT acts.id, acts.act, acts.actor, owners.owner_id, acts.owner_sha256, acts.details, acts.outcome,
    acts.request_id, acts.created_at
FROM installation, admin_acts AS acts LEFT JOIN admin_act_owners AS owners ON owners.act_id = acts.id
WHERE (%(owner)s::text = '' OR acts.owner_sha256 = {OWNER_SHA256})
    AND (%(act)s::text = '' OR acts.act = %(act)s)
    AND acts.id < CASE WHEN %(before)s::bigint = 0 THEN {2**63 - 1} ELSE %(before)s::bigint END
ORDER BY acts.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Act:
    """An act. `actor` empty: the installation itself. `owner_id` empty: about nobody.

    `details` must not name the user. Without `names_owner` only the digest is stored.
    """

    act: str
    actor: str
    owner_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = "done"
    request_id: str = ""
    names_owner: bool = True


async def write(tx: Transaction, act: Act) -> int:
    """Write in the system's transaction that performs the act. Returns its id."""
    params: dict[str, object] = {
        "act": act.act,
        "actor": act.actor,
        "owner": act.owner_id,
        "details": json.dumps(act.details, sort_keys=True),
        "outcome": act.outcome,
        "request_id": act.request_id,
    }
    row = await tx.fetch_one(_WRITE, params)
    if row is None:
        raise AssertionError("the first migration of verification has named the installation")
    if act.owner_id and act.names_owner:
        await tx.execute(_ABOUT, {"owner": act.owner_id, "id": row[0]})
    return int(row[0])


async def write_end(tx: Transaction, begun: int, outcome: str, details: Mapping[str, Any]) -> None:
    """Write the outcome of the act `begun`: a row of its own, by the same admin, about the same user."""
    said = json.dumps({"begun": begun, **details}, sort_keys=True)
    await tx.execute(_WRITE_END, {"begun": begun, "outcome": outcome, "details": said})


class Acts:
    """Lists acts; one instance per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, act: Act) -> int:
        """Write an act that changes nothing in this database. Returns its id."""
        return await self._database.transact(SYSTEM, lambda tx: write(tx, act))

    async def write_end(self, begun: int, outcome: str, details: Mapping[str, Any]) -> None:
        """See the function ``write_end``."""
        await self._database.transact(SYSTEM, lambda tx: write_end(tx, begun, outcome, details))

    async def page(self, owner_id: str, act: str, before_id: int, size: int) -> list[AdminAct]:
        """Acts, newest first. `owner_id`, `act` empty, `before_id` 0: any. `size` 0: 100, at most 1,000.

        Raises InvalidField: there is no such act.
        """
        limit = page_size(size, default=PAGE[0], largest=PAGE[1])
        params = {"owner": owner_id, "act": act, "before": before_id, "limit": limit}
        rows = await self._database.read(SYSTEM, LIST, params)
        if act and act not in NAMES and not rows and not before_id:  # acts of other releases may exist
            known = ", ".join(sorted(NAMES))
            raise InvalidField(f"There is no act of this name; the acts are {known}.", field="act", rule="in")
        return [_to_act(row) for row in rows]


def _to_act(row: Row) -> AdminAct:
    act_id, act, actor, owner_id, owner_sha256, details, outcome, request_id, at = row
    return AdminAct(
        id=act_id,
        act=act,
        actor=actor,
        owner_id=owner_id or "",
        owner_sha256=bytes(owner_sha256 or b""),
        details_json=details,
        outcome=outcome,
        request_id=request_id,
        act_time=to_proto(at),
    )
