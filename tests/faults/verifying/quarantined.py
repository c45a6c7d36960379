"""Planted faults in the quarantine; see ``planting``."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Bucket(Protocol):
    """Implemented by ``planting.Planting``."""

    def put(self, key: str, body: bytes, **metadata: str) -> str: ...


def manifest_damaged(at: Bucket) -> set[tuple[str, str]]:
    key = f".strongroom/quarantine/{uuid.uuid4()}/manifest.json"
    at.put(key, b'{"format": "strongroom-qua')
    return {("quarantine_damaged", key)}


def manifest_of_another_key(at: Bucket) -> set[tuple[str, str]]:
    """It names a key that is not Strongroom's: restoring it would write there."""
    entry = str(uuid.uuid4())
    at.put(f".strongroom/quarantine/{entry}/manifest.json", _manifest(entry, key="logs/app.log"))
    return {("quarantine_damaged", f".strongroom/quarantine/{entry}/manifest.json")}


def bytes_in_quarantine_without_a_manifest(at: Bucket) -> set[tuple[str, str]]:
    entry = str(uuid.uuid4())
    at.put(f".strongroom/quarantine/{entry}/object", b"bytes")
    return {("quarantine_damaged", f".strongroom/quarantine/{entry}/manifest.json")}


def bytes_in_quarantine_deleted(at: Bucket) -> set[tuple[str, str]]:
    entry = str(uuid.uuid4())
    at.put(f".strongroom/quarantine/{entry}/manifest.json", _manifest(entry))
    return {("quarantine_damaged", f".strongroom/quarantine/{entry}/object")}


def _manifest(entry: str, key: str = "uploads/alien/a.bin") -> bytes:
    now = datetime.now(UTC).isoformat()
    fields = {"id": entry, "key": key, "version_id": "v", "size_bytes": 5, "etag": "e"}
    more = {"crc32c": "00000000", "content_type": "", "metadata": {}, "last_modified": now, "moved_at": now}
    why = {"why": "object_orphaned", "found": "", "run_id": "", "format": "strongroom-quarantine/1"}
    return json.dumps(fields | more | why).encode()
