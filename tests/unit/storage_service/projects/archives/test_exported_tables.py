"""Exports contain everything in the schema about an owner, except what is listed here and in docs/admin.md.

A new table or field fails the test until it is exported or listed.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

import pytest

from metadata_service.db.schema import metadata
from storage_service.projects.archives import exports, manifest
from strongroom.metadata.v1.file_pb2 import File, GenerationDetails
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.metadata.v1.share_pb2 import Share
from strongroom.metadata.v1.webhook_pb2 import Webhook

#: For each table: the manifest's list, or the record in another list that contains its rows.
EXPORTED: Final = {
    "files": "files",
    "generations": "files",
    "event_media": "files",
    "blobs": "files",
    "projects": "projects",
    "project_versions": "project_versions",
    "project_files": "project_contents",
    "shares": "shares",
    "webhooks": "webhooks",
}
LEFT_OUT: Final = {
    "archive_restores": "what the store is bringing back just now",
    "admin_act_owners": "what admins have done about somebody is the operator's record",
    "erasures": "who is erased exports nothing",
    "events": "what has happened, kept for some days; what has come of it is in the other lists",
    "generation_tallies": "counts, which follow from the files",
    "idempotency_keys": "answers to requests, kept for some hours",
    "link_epochs": "a number that makes old links invalid; links are secrets",
    "project_keys": "work of the cleaner",
    "project_save_files": "a save under way: nothing is stored yet",
    "project_saves": "a save under way: nothing is stored yet",
    "quotas": "what the operator allows",
    "revisions": "numbers that make caches look again",
    "scans": "what the scanner has said: the operator's record",
    "session_parts": "an upload under way: nothing is stored yet",
    "upload_sessions": "an upload under way: nothing is stored yet",
    "usage": "sums, which follow from the files",
    "webhook_deliveries": "events that were sent, kept for some days",
}
OWNERS: Final = "the whole manifest's"
COUNTED: Final = "follows from other lists"
STORE: Final = "where it lies in this installation's store"
#: Fields that are not in a record, by message.
NOT_TOLD: Final[dict[Any, dict[str, str]]] = {
    File: {
        "owner_id": OWNERS,
        "version_id": STORE,
        "link_stamp": "a secret of links",
        "data_loss": "`lost` tells of it",
        "scan": LEFT_OUT["scans"],
    },
    GenerationDetails: {},
    Project: dict.fromkeys(("file_count", "size_bytes", "has_frontend", "has_backend"), COUNTED)
    | {"owner_id": OWNERS},
    ProjectVersion: dict.fromkeys(("added", "changed", "removed"), COUNTED),
    ProjectFile: {
        "key": STORE,
        "version_id": STORE,
        "etag": STORE,
        "charset": "`content_type` of a project's file says it",
        "data_loss": "`lost` tells of it",
        "scan": LEFT_OUT["scans"],
    },
    Share: {"owner_id": OWNERS},
    Webhook: dict.fromkeys(
        (
            *("cause", "cursor", "pending", "dead", "failing_since_time", "last_failure"),
            *("lost_from_time", "lost_until_time"),
        ),
        "how the deliveries stand at this moment",
    )
    | {"owner_id": OWNERS, "secrets": "a secret"},
}
#: Fields with another name in a record.
RENAMED: Final = {
    "generation_details": "generated",
    "event_media_details": "event",
    "label": "tags",
    "scope": "opens",
    "filter": "families",
}
RECORDS: Final[dict[Any, Any]] = {
    File: manifest.file_record,
    GenerationDetails: manifest.file_record,
    Project: manifest.project_record,
    ProjectVersion: manifest.version_record,
    ProjectFile: manifest.content_record,
    Share: manifest.share_record,
    Webhook: manifest.webhook_record,
}


def test_each_table_with_an_owner_is_exported_or_left_out_for_a_reason() -> None:
    owned = {name for name, table in metadata.tables.items() if "owner_id" in table.columns}
    assert set(EXPORTED).isdisjoint(LEFT_OUT)
    assert owned == {*EXPORTED, *LEFT_OUT}
    written = inspect.getsource(exports)
    for part in EXPORTED.values():
        assert f'manifest.begin("{part}")' in written


@pytest.mark.parametrize("message", RECORDS, ids=lambda message: message.DESCRIPTOR.name)
def test_each_field_of_what_is_exported_is_told_or_left_out_for_a_reason(message: Any) -> None:
    written = inspect.getsource(RECORDS[message])
    fields = {field.name for field in message.DESCRIPTOR.fields}
    told = {name for name in fields if f'"{RENAMED.get(name, name)}"' in written}
    assert fields - told == set(NOT_TOLD[message])
