"""The signed receipt of an erasure: what was erased, when, and until when backups contain it."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from metadata_service.db.database import SYSTEM, Database
from servicekit.reports import ReportSigner, SignedReport, canonical
from strongroom.metadata.v1.admin_service_pb2 import Erasure

FORMAT: Final = "strongroom-erasure/1"


class Receipts:
    """One instance per process."""

    def __init__(self, database: Database, signer: ReportSigner) -> None:
        self._database = database
        self._signer = signer

    async def signed(self, erasure: Erasure) -> SignedReport:
        """The receipt of an ended erasure; always the same bytes. Raises DatabaseUnavailable."""
        ((installation,),) = await self._database.read(SYSTEM, "SELECT id FROM installation")
        return self._signer.sign(canonical(_document(erasure, str(installation))))


def _document(erasure: Erasure, installation_id: str) -> dict[str, Any]:
    counts = erasure.counts
    held = erasure.backups_hold_until if erasure.HasField("backups_hold_until") else None
    return {
        "format": FORMAT,
        "id": erasure.id,
        "installation_id": installation_id,
        "owner_sha256": erasure.owner_sha256.hex(),
        "begin_time": _moment(erasure.begin_time),
        "end_time": _moment(erasure.end_time),
        "begin_position": erasure.begin_position,
        "end_position": erasure.end_position,
        "counts": {field.name: getattr(counts, field.name) for field in counts.DESCRIPTOR.fields},
        "backups_hold_until": None if held is None else _moment(held),
        "quarantine_time": _moment(erasure.quarantine_time) if _was_seen(erasure) else None,
    }


def _was_seen(erasure: Erasure) -> bool:
    """Whether the quarantine had been checked by the end. Later passes don't change a receipt."""
    seen, end = erasure.quarantine_time, erasure.end_time
    return erasure.HasField("quarantine_time") and (seen.seconds, seen.nanos) <= (end.seconds, end.nanos)


def _moment(timestamp: Timestamp) -> str:
    return timestamp.ToJsonString()
