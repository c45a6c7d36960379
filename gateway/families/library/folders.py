"""Folders: the common prefixes of keys up to a slash. A file is below every folder of its key."""

from __future__ import annotations

from typing import Final

from gateway.families.library.rendering import listed
from gateway.families.library.shapes import FolderDeleted, LibraryList
from gateway.http import fields
from gateway.http.reply import JsonReply, Reply, json_reply
from gateway.operations.filters import NAMES
from gateway.operations.polling import Poll
from gateway.upstream.call import Call
from gateway.upstream.chunked import archive_reply
from gateway.upstream.rpcs import DELETE_FOLDER, LIST_FILES, LIST_FOLDER
from strongroom.errors import FileNotFound, InvalidField
from strongroom.metadata.v1.file_pb2 import FileFamily
from strongroom.metadata.v1.file_service_pb2 import (
    FILE_VIEW_BASIC,
    DeleteFolderRequest,
    ListFilesRequest,
    ListFolderRequest,
)
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest

DELIMITER: Final = "/"
UNFIT: Final = (*NAMES, "type")


def folder_request(call: Call, size: int, token: str, family: FileFamily.ValueType) -> ListFolderRequest:
    """The request for a page of the folder given by the query's ``prefix``.

    :raises InvalidField: a delimiter other than a slash, or filters together with it.
    """
    if call.query("delimiter") != DELIMITER:
        raise InvalidField("delimiter must be /.", field="delimiter", rule="in")
    for name in UNFIT:
        if call.query(name):
            raise InvalidField(
                f"{name} and delimiter don't go together: a search looks below all folders.",
                field=name,
                rule="conflict",
            )
    return ListFolderRequest(
        prefix=call.query("prefix") or "",
        page_size=size,
        page_token=token,
        family=family,
        user_id=call.user_id(),
    )


async def folder_page(call: Call, family: FileFamily.ValueType, size: int) -> JsonReply[LibraryList]:
    """A page of the files and folders directly below ``prefix``."""
    request = folder_request(call, size, call.query("page_token") or "", family)
    poll = Poll(call, "links")
    if (same := await poll.unchanged()) is not None:
        return same
    page = await call.ask(LIST_FOLDER, request)
    return await listed(call, poll, page, page.folders)


async def delete_folder(call: Call) -> JsonReply[FolderDeleted]:
    """Delete every file below the folder in one transaction; with ``soft`` move them to the trash."""
    folder = call.path["folder"]
    request = DeleteFolderRequest(folder=folder, soft=fields.flag(call, "soft"), user_id=call.user_id())
    gone = await call.ask(DELETE_FOLDER, request)
    return json_reply(
        {
            "folder": folder.rstrip(DELIMITER) + DELIMITER,
            "deleted": gone.file_count,
            "bytes": gone.size_bytes,
            "soft": request.soft,
        }
    )


async def folder_archive(call: Call) -> Reply:
    """All files below the folder as a streamed ZIP; names are the paths below the folder."""
    prefix = call.path["folder"].rstrip(DELIMITER) + DELIMITER
    look = ListFilesRequest(prefix=prefix, page_size=1, view=FILE_VIEW_BASIC, user_id=call.user_id())
    if not (await call.ask(LIST_FILES, look)).files:
        raise FileNotFound("There is no such folder, or it is not yours.")
    request = DownloadArchiveRequest(key_prefix=prefix, user_id=call.user_id())
    name = prefix.rstrip(DELIMITER).rpartition(DELIMITER)[2]
    return await archive_reply(call, request, f"{name}.zip")
