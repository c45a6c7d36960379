"""The manifest of an export: the contents of the archive, the original names, and what is missing.

Records are written to an unnamed file as they come, so a user with a million files needs a gigabyte of disk
for a while, but no memory. Prompts and settings of 64 KiB and more make it large: all manifests of a process
share ``ManifestRoom``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC
from typing import IO, Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.moments import rfc3339
from strongroom.enum_words import enum_word, event_name
from strongroom.errors import Overloaded, SizeLimitExceeded
from strongroom.families import family_name
from strongroom.metadata.v1.file_pb2 import File, GenerationType, Visibility
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.metadata.v1.retention_pb2 import Retention
from strongroom.metadata.v1.share_pb2 import Share, ShareState
from strongroom.metadata.v1.webhook_pb2 import Webhook, WebhookState

FORMAT: Final = "strongroom-export/1"
NAME: Final = "manifest.json"
_PIECE: Final = 256 * 1024


class ManifestRoom:
    """``total`` bytes of disk (or memory, if /tmp is in memory) for all manifests of a process."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.used = 0

    def take(self, size: int, held: int) -> None:
        """Take ``size`` bytes for a manifest that holds ``held``.

        Raises Overloaded; SizeLimitExceeded if there would not be enough even without the others.
        """
        if held + size > self._total:
            raise SizeLimitExceeded(
                f"The manifest of this export has more than {self._total:,} bytes; the operator can raise"
                " that limit.",
                advice="STRONGROOM_EXPORT_MANIFEST_BYTES is the limit",
                metadata={"limit": str(self._total), "family": "export"},
            )
        if self.used + size > self._total:
            raise Overloaded("Too much is being exported; try again in a minute.", retry_after=60.0)
        self.used += size

    def give_back(self, size: int) -> None:
        """Give back ``size`` bytes."""
        self.used -= size


class Manifest:
    """One export's manifest. Parts are written in order; losses may be added at any time. Close it."""

    def __init__(self, head: Mapping[str, Any], room: ManifestRoom) -> None:
        self._room = room
        self._taken = 0
        self._text: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._lost: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._first = True
        self.size = 0
        self._write(json.dumps({"format": FORMAT, **head}, ensure_ascii=False)[:-1])

    def begin(self, part: str) -> None:
        """Begin the list ``part``; the following records belong to it."""
        self._write(f',\n"{part}": [')
        self._first = True

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record."""
        self._write(("\n" if self._first else ",\n") + json.dumps(record, ensure_ascii=False))
        self._first = False

    def end(self) -> None:
        """End the list."""
        self._write("]")

    def lost(self, record: Mapping[str, Any]) -> None:
        """Record something that is missing from the archive, or incomplete."""
        comma = ",\n" if self._lost.tell() else "\n"
        told = (comma + json.dumps(record, ensure_ascii=False)).encode("utf-8", "surrogatepass")
        self._take(2 * len(told))  # `seal` copies it
        self._lost.write(told)

    def seal(self) -> None:
        """Finish; after this ``size`` is known."""
        self.begin("lost")
        self._lost.seek(0)
        while piece := self._lost.read(_PIECE):
            self._text.write(piece)
        self.end()
        self._write("}\n")
        self.size = self._text.tell()

    async def body(self) -> AsyncIterator[bytes]:
        """The manifest's bytes."""
        self._text.seek(0)
        while piece := self._text.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Delete the files."""
        self._text.close()
        self._lost.close()
        taken, self._taken = self._taken, 0
        self._room.give_back(taken)

    def _write(self, text: str) -> None:
        written = text.encode("utf-8", "surrogatepass")
        self._take(len(written))
        self._text.write(written)

    def _take(self, size: int) -> None:
        self._room.take(size, self._taken)
        self._taken += size


def file_record(file: File, name: str) -> dict[str, Any]:
    """The record of a file. ``name``: in the archive."""
    record: dict[str, Any] = {
        "id": file.id,
        "key": file.key,
        "name": name,
        "filename": file.filename,
        "family": family_name(file.family),
        "content_type": file.content_type,
        "charset": file.charset or None,
        "size_bytes": file.size_bytes,
        "crc32c": f"{file.crc32c:08x}",
        "etag": file.etag,
        "generation": file.generation,
        "visibility": enum_word(Visibility.DESCRIPTOR, file.visibility),
        "metadata": dict(file.metadata),
    }
    record |= _times(file, "create_time", "update_time", "expire_time", "delete_time", "purge_time")
    if file.HasField("generation_details"):
        made = file.generation_details
        kind = enum_word(GenerationType.DESCRIPTOR, made.type).replace("_", "-")
        record["generated"] = {"type": kind, "prompt": made.prompt, "settings_json": made.settings_json}
    if file.HasField("event_media_details"):
        medium = file.event_media_details
        record["event"] = {
            "event_id": medium.event_id,
            "title": medium.title,
            "description": medium.description,
            "tags": list(medium.tags),
        }
    if file.HasField("media"):
        record["media"] = json_format.MessageToDict(file.media, preserving_proto_field_name=True)
    if file.HasField("retention"):
        record["retention"] = _retention(file.retention)
    return record


def project_record(project: Project) -> dict[str, Any]:
    """The record of a project. Its versions have their own."""
    kept = {"retention": _retention(project.retention)} if project.HasField("retention") else {}
    return kept | {
        "id": project.id,
        "slug": project.slug,
        "name": project.name,
        "version": project.version,
        "tech_stack": list(project.tech_stack),
        "create_time": moment(project.create_time),
        "update_time": moment(project.update_time),
    }


def version_record(slug: str, version: ProjectVersion) -> dict[str, Any]:
    """The record of a version: the version before, plus the contents put into it, minus the paths removed
    from it.
    """
    return {
        "slug": slug,
        "version": version.version,
        "create_time": moment(version.create_time),
        "file_count": version.file_count,
        "size_bytes": version.size_bytes,
        "rolled_back_to": version.rolled_back_to or None,
        "name": version.label.version_name or None,
        "message": version.label.message or None,
        "tags": list(version.label.tags),
    }


def content_record(slug: str, version: int, file: ProjectFile, name: str) -> dict[str, Any]:
    """The record of a content, which is valid from this version until another replaces it or its path is
    removed.
    """
    return {
        "slug": slug,
        "version": version,
        "path": file.path,
        "name": name,
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "crc32c": f"{file.crc32c:08x}",
        "sha256": file.sha256.hex(),
        "executable": file.executable,
        "create_time": moment(file.create_time),
    }


def share_record(share: Share) -> dict[str, Any]:
    """The record of a share: what it opens, and its use. Without its link and password."""
    return {
        "id": share.id,
        "title": share.title,
        "opens": json_format.MessageToDict(share.scope, preserving_proto_field_name=True),
        "state": enum_word(ShareState.DESCRIPTOR, share.state),
        "has_password": share.has_password,
        "max_uses": share.max_uses,
        "uses": share.uses,
        "dropped_files": share.dropped_files,
        "dropped_bytes": share.dropped_bytes,
        **_times(share, "create_time", "update_time", "expire_time", "last_use_time", "revoke_time"),
    }


def webhook_record(webhook: Webhook) -> dict[str, Any]:
    """The record of a webhook: its target and events. Without its secrets."""
    return {
        "id": webhook.id,
        "url": webhook.url,
        "description": webhook.description,
        "types": [event_name(kind) for kind in webhook.filter.types],
        "families": list(webhook.filter.families),
        "state": enum_word(WebhookState.DESCRIPTOR, webhook.state),
        "delivered": webhook.delivered,
        **_times(webhook, "create_time", "update_time", "last_success_time", "last_failure_time"),
    }


def _retention(kept: Retention) -> dict[str, Any]:
    record: dict[str, Any] = _times(kept, "keep_until_time", "delete_after_time")
    if kept.HasField("hold"):
        hold = kept.hold
        record["hold"] = {"reason": hold.reason, "by_admin": hold.by_admin, **_times(hold, "place_time")}
    return record


def _times(message: Message, *fields: str) -> dict[str, Any]:
    """The times that are set."""
    return {field: moment(getattr(message, field)) for field in fields if message.HasField(field)}


def moment(timestamp: Timestamp) -> str:
    """RFC 3339 in UTC."""
    return rfc3339(timestamp.ToDatetime(UTC))
