"""Files of any family, usage and costs as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast

from gateway.families.generations.routes import kind_of
from gateway.families.library.shapes import Costs, FamilyName, LibraryFile, LibraryList, UsageAndQuota
from gateway.http.reply import JsonReply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import urls_of
from gateway.operations.content_facts import add_facts, loss_word
from gateway.operations.polling import Poll
from gateway.operations.retention import show_retention
from gateway.operations.revisions import etag
from gateway.upstream.call import Call
from strongroom.families import OTHER
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import ListFolderResponse, SearchFilesResponse
from strongroom.metadata.v1.usage_service_pb2 import GetCostsResponse, Usage

#: Names as in ``family`` of targets (``gateway.families.targets``).
FAMILY_NAMES: Final[Mapping[file_pb2.FileFamily.ValueType, FamilyName]] = {
    file_pb2.FILE_FAMILY_FILE: "files",
    file_pb2.FILE_FAMILY_GENERATION: "generations",
    file_pb2.FILE_FAMILY_EVENT_MEDIA: "event_media",
    file_pb2.FILE_FAMILY_PROFILE_PICTURE: "profile_picture",
    file_pb2.FILE_FAMILY_TEMP: "temp",
    file_pb2.FILE_FAMILY_PATH: "path",
}
FAMILIES: Final[Mapping[str, file_pb2.FileFamily.ValueType]] = {
    name: number for number, name in FAMILY_NAMES.items()
}


def family_of(number: int) -> FamilyName:
    """One of the shape's words that this release knows."""
    return FAMILY_NAMES.get(number) or cast("FamilyName", OTHER)  # type: ignore[call-overload]


def show(file: File, url: str | None) -> LibraryFile:
    """All fields; those of other families are null."""
    media, made = file.event_media_details, file.generation_details
    kept = show_retention(file.retention)
    public: Literal["private", "public"] = (
        "public" if file.visibility == file_pb2.VISIBILITY_PUBLIC else "private"
    )
    shown: LibraryFile = {
        "id": file.id,
        "key": file.key,
        "family": family_of(file.family),
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size_bytes,
        "etag": file.etag,
        "generation": file.generation,
        "visibility": public,
        "metadata": dict(file.metadata),
        "url": url,
        "created_at": rfc3339(file.create_time),
        "updated_at": rfc3339(file.update_time),
        "expires_at": rfc3339(file.expire_time) if file.HasField("expire_time") else None,
        "deleted_at": rfc3339(file.delete_time) if file.HasField("delete_time") else None,
        "purge_at": rfc3339(file.purge_time) if file.HasField("purge_time") else None,
        "keep_until": kept["keep_until"],
        "delete_after": kept["delete_after"],
        "hold": kept["hold"],
        "event_id": media.event_id or None,
        "title": media.title or None,
        "description": media.description or None,
        "tags": list(media.tags),
        "generation_type": kind_of(made.type) if file.HasField("generation_details") else None,
        "prompt": made.prompt or None,
        "settings": json.loads(made.settings_json) if made.settings_json else None,
    }
    if file.data_loss:
        shown["data_loss"] = loss_word(file.data_loss)
    add_facts(shown, file)
    return shown


async def file_answer(call: Call, file: File, status: int = 200) -> JsonReply[LibraryFile]:
    """One file with its link and its revision."""
    urls = await urls_of(call, [file])
    return json_reply(show(file, urls.get(file.id)), status, [etag(file)])


async def listed(
    call: Call, poll: Poll, page: SearchFilesResponse | ListFolderResponse, folders: Sequence[str] = ()
) -> JsonReply[LibraryList]:
    """A page of files with their links."""
    urls = await urls_of(call, page.files)
    return poll.reply(
        {
            "files": [show(file, urls.get(file.id)) for file in page.files],
            "folders": list(folders),
            "next_page_token": page.next_page_token or None,
        },
        page.revision,
        urls.stamp,
    )


def show_costs(found: GetCostsResponse) -> Costs:
    """Costs by class and family, and in total."""
    by_class: dict[str, int] = {}
    for line in found.lines:
        by_class[line.storage_class] = by_class.get(line.storage_class, 0) + line.size_bytes
    return {
        "lines": [
            {
                "storage_class": line.storage_class,
                "family": line.family,
                "objects": line.object_count,
                "bytes": line.size_bytes,
                "written": line.written_count,
                "usd_per_gb_month": line.usd_per_gb_month if line.HasField("usd_per_gb_month") else None,
                "usd_per_month": round(line.usd_per_month, 6),
            }
            for line in found.lines
        ],
        "bytes_by_class": by_class,
        "storage_usd_per_month": round(found.storage_usd_per_month, 6),
        "write_usd_per_month": round(found.write_usd_per_month, 6),
        "usd_per_1000_writes": found.usd_per_1000_writes,
    }


def show_usage(usage: Usage) -> UsageAndQuota:
    """What a user has stored, and the limits."""
    return {
        "user_id": usage.owner_id,
        "used_bytes": usage.used_bytes,
        "reserved_bytes": usage.reserved_bytes,
        "file_count": usage.file_count,
        "limit_bytes": usage.limit_bytes if usage.HasField("limit_bytes") else None,
        "limit_files": usage.limit_files if usage.HasField("limit_files") else None,
    }
