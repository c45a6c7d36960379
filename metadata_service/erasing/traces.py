"""An owner's traces in the system's own tables.

Findings and cursors of verifications name keys and owners; deliveries of the installation's webhooks name
files. A finding is kept without what says whose it was, so that the counts of a run stay correct.
"""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Transaction
from metadata_service.files.layouts import segment
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STATE_RUNNING, Finding

_BATCH: Final = 500
#: Findings that contain the name; whether it is the owner's is checked for each.
_FINDINGS: Final = """
SELECT verification_id, number, finding FROM verification_findings
WHERE (position(%(name)s::bytea in finding) > 0 OR position(%(segment)s::bytea in finding) > 0)
    AND (verification_id, number) > (%(run)s::uuid, %(after)s)
ORDER BY verification_id, number LIMIT %(limit)s
"""
_REDACT: Final = """
UPDATE verification_findings SET finding = %(finding)s
WHERE verification_id = %(run)s AND number = %(number)s
"""
#: Where a part of a run is, and where it ends. A run that is over is never continued from there.
_NAMED: Final = """
(position(%(segment)s::text in cursor || '\n' || until_key) > 0
    OR position(%(owner)s::text in cursor || '\n' || until_key) > 0)
"""
_OVER: Final = f"""(done_at IS NOT NULL OR NOT EXISTS (
    SELECT FROM verifications AS run
    WHERE run.id = verification_id AND run.state = {VERIFICATION_STATE_RUNNING}))
"""
_CURSORS: Final = f"UPDATE verification_shards SET cursor = '', until_key = '' WHERE {_OVER} AND {_NAMED}"
_AT_WORK: Final = f"SELECT 1 FROM verification_shards WHERE NOT {_OVER} AND {_NAMED} LIMIT 1"
_DELIVERIES: Final = "DELETE FROM webhook_deliveries WHERE user_id = %(owner)s"
_FIRST: Final = "00000000-0000-0000-0000-000000000000"


async def remove(tx: Transaction, owner_id: str) -> int:
    """Remove the traces, in a transaction of the system's. Returns the number of rows changed."""
    root = segment(owner_id)
    found, run, after = 0, _FIRST, 0
    while True:
        params = {
            "name": owner_id.encode(),
            "segment": root.encode(),
            "run": run,
            "after": after,
            "limit": _BATCH,
        }
        rows = await tx.fetch(_FINDINGS, params)
        for run_id, number, packed in rows:
            finding = Finding.FromString(packed)
            if names(finding, owner_id, root):
                kept = Finding(kind=finding.kind, size_bytes=finding.size_bytes).SerializeToString()
                await tx.execute(_REDACT, {"finding": kept, "run": run_id, "number": number})
                found += 1
        if len(rows) < _BATCH:
            break
        run, after = str(rows[-1][0]), rows[-1][1]
    found += await tx.execute(_DELIVERIES, {"owner": owner_id})
    return found + await tx.execute(_CURSORS, {"segment": root, "owner": owner_id})


async def in_use(tx: Transaction, owner_id: str) -> bool:
    """Whether a verification is working on the owner's keys."""
    params = {"segment": segment(owner_id), "owner": owner_id}
    return await tx.fetch_one(_AT_WORK, params) is not None


def names(finding: Finding, owner_id: str, root: str) -> bool:
    """Whether the finding is about the owner: by its row, or by its key, whose owner segment is `root`."""
    return finding.owner_id == owner_id or root in finding.key.split("/")
