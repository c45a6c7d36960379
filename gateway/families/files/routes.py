"""Family B: plain files under ``/api/v1/s3``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import ClassVar, Final

from gateway.families.files.shapes import (
    FileDeleted,
    FileExists,
    FileList,
    FileMetadata,
    FileUrl,
    UploadedFile,
)
from gateway.http import fields
from gateway.http.reply import JsonReply, Reply, json_reply, polled_bytes
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import url_of_stored
from gateway.operations.content_facts import add_facts, facts_text, loss_word
from gateway.operations.polling import Poll
from gateway.operations.preconditions import OF_BYTES, is_conditional, seen_generation
from gateway.operations.retention import add_kept
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.downloads import Wanted, file_reply
from gateway.upstream.rpcs import DELETE_FILE, GET_FILE, LIST_FILES, LIST_FOLDER, SIGN_URL
from gateway.upstream.uploads import FOLDERS, receive_upload
from servicekit import failpoints
from servicekit.limits.settings import LimitSettings
from strongroom.errors import FileNotFound, InvalidField
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import (
    FILE_VIEW_BASIC,
    GetFileRequest,
    ListFilesRequest,
    ListFolderRequest,
)
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_AUDIO,
    FileTarget,
    UploadTarget,
)
from strongroom.storage.v1.batch_pb2 import DeleteFileRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, SignUrlRequest

PREFIX: Final = "/api/v1/s3"
KEY: Final = PREFIX + "/file/{key:path}"
MAX_KEYS: Final = 1000
MAX_URL_SECONDS: Final = 604_800

BEFORE_UPLOAD_REPLY: Final = failpoints.register("gateway.upload.before_reply")
BEFORE_DELETE_REPLY: Final = failpoints.register("gateway.delete.before_reply")

routes = Routes("files")


class FileForm:
    """``folder`` (default uploads), and ``class_id`` for audio."""

    names: ClassVar[frozenset[str]] = frozenset({"folder", "class_id"})

    def target(self, form: Mapping[str, str]) -> UploadTarget:
        """See ``gateway.upstream.uploads.Form``."""
        folder = fields.choice(form, "folder", FOLDERS, default="uploads")
        class_id = form.get("class_id", "")
        if folder == FILE_FOLDER_AUDIO and not class_id:
            raise InvalidField(
                "class_id is required for the folder audio.", field="class_id", rule="file_target.class_id"
            )
        if folder != FILE_FOLDER_AUDIO and class_id:
            raise InvalidField(
                "class_id goes with the folder audio only.", field="class_id", rule="file_target.class_id"
            )
        return UploadTarget(file=FileTarget(folder=folder, class_id=class_id))

    def settled(self, form: Mapping[str, str]) -> bool:
        """See ``gateway.upstream.uploads.Form``."""
        folder = form.get("folder")
        return folder is not None and (folder != "audio" or "class_id" in form)

    def largest(self, limits: LimitSettings) -> int:
        """See ``gateway.upstream.uploads.Form``."""
        return limits.max_file_bytes


@routes.add("POST", PREFIX + "/upload")
async def upload(call: Call) -> JsonReply[UploadedFile]:
    """Store one file."""
    stored = await receive_upload(call, FileForm())
    file = stored.file
    body: UploadedFile = {
        "key": file.key,
        "url": await url_of_stored(call, stored),
        "size": file.size_bytes,
        "content_type": file.content_type,
        "etag": file.etag,
        "metadata": dict(file.metadata),
    }
    await failpoints.hit(BEFORE_UPLOAD_REPLY)
    return json_reply(body, 201)


@routes.add("GET", PREFIX + "/files")
async def list_files(call: Call) -> JsonReply[FileList]:
    """A page of the caller's files in key order."""
    fields.only(call, "prefix", "delimiter", "max_keys", "continuation_token", "page_token")
    size = fields.integer(call, "max_keys", default=100, minimum=0, maximum=MAX_KEYS, clamp=True)
    request = ListFilesRequest(
        prefix=call.query("prefix") or "",
        page_size=size,
        page_token=fields.page_token(call, "continuation_token"),
        user_id=call.user_id(),
        view=FILE_VIEW_BASIC,
    )
    poll = Poll(call)
    if size == 0:  # like S3: an empty page that does not say whether there is more
        return polled_bytes(_page([], ""), call.header("if-none-match"))
    if call.query("delimiter"):
        return await _folder(call, poll, size, request)
    if (same := await poll.unchanged()) is not None:
        return same
    response = await call.ask(LIST_FILES, request)
    return poll.text_reply(_page(response.files, response.next_page_token), response.revision)


@routes.add("GET", KEY + "/url")
async def file_url(call: Call) -> JsonReply[FileUrl]:
    """A URL that reads the file directly from the store."""
    seconds = fields.integer(call, "expires_in", default=3600, minimum=1, maximum=MAX_URL_SECONDS)
    key = call.path["key"]
    request = SignUrlRequest(key=key, expires_in_seconds=seconds, user_id=call.user_id())
    response = await call.ask(SIGN_URL, request)
    return json_reply(
        {"key": key, "url": response.url, "expires_in": response.expires_in_seconds or None}, secret=True
    )


@routes.add("GET", KEY + "/metadata")
async def file_metadata(call: Call) -> JsonReply[FileMetadata]:
    """The file's metadata."""
    file = await _file(call)
    shown: FileMetadata = {
        "key": file.key,
        "size": file.size_bytes,
        "content_type": file.content_type,
        "etag": file.etag,
        "last_modified": rfc3339(file.update_time),
        "metadata": dict(file.metadata),
    }
    if file.data_loss:
        shown["data_loss"] = loss_word(file.data_loss)
    add_facts(shown, file)
    add_kept(shown, file.retention)
    return json_reply(shown)


@routes.add("GET", KEY + "/exists")
async def file_exists(call: Call) -> JsonReply[FileExists]:
    """Whether the caller has such a file; the status is 200 in both cases."""
    try:
        await _file(call)
    except FileNotFound:
        return json_reply({"key": call.path["key"], "exists": False})
    return json_reply({"key": call.path["key"], "exists": True})


@routes.add("GET", KEY)
async def file_content(call: Call) -> Reply:
    """The file's bytes."""
    return await file_reply(call, Wanted(DownloadRequest(key=call.path["key"], user_id=call.user_id())))


@routes.add("DELETE", KEY, judges=OF_BYTES)
async def delete_file(call: Call) -> JsonReply[FileDeleted]:
    """Delete the file; with conditions only one that meets them; with ``soft`` move it to the trash."""
    key = call.path["key"]
    request = DeleteFileRequest(key=key, user_id=call.user_id(), soft=fields.flag(call, "soft"))
    if is_conditional(call):
        request.if_generation_match = seen_generation(call, await _file(call))
    deleted = (await call.ask(DELETE_FILE, request)).file
    await failpoints.hit(BEFORE_DELETE_REPLY)
    if request.soft:
        return json_reply(
            {"key": key, "deleted": True, "id": deleted.id, "purge_at": rfc3339(deleted.purge_time)}
        )
    return json_reply({"key": key, "deleted": True})


async def _folder(call: Call, poll: Poll, size: int, asked: ListFilesRequest) -> JsonReply[FileList]:
    """A page of the files and folders directly below the prefix."""
    if call.query("delimiter") != "/":
        raise InvalidField("delimiter must be /.", field="delimiter", rule="in")
    request = ListFolderRequest(
        prefix=asked.prefix, page_size=size, page_token=asked.page_token, user_id=asked.user_id
    )
    if (same := await poll.unchanged()) is not None:
        return same
    page = await call.ask(LIST_FOLDER, request)
    return poll.text_reply(_page(page.files, page.next_page_token, page.folders), page.revision)


async def _file(call: Call) -> File:
    request = GetFileRequest(key=call.path["key"], user_id=call.user_id())
    return (await call.ask(GET_FILE, request)).file


def _page(files: Iterable[File], token: str, folders: Sequence[str] | None = None) -> bytes:
    """A ``FileList`` as JSON, written by hand (docs/decisions/0032-small-things-by-hand.md)."""
    rows = ",".join([_row(file) for file in files])
    below = "" if folders is None else f'"folders":[{",".join(map(encode_basestring, folders))}],'
    next_token = encode_basestring(token) if token else "null"
    return (
        f'{{"files":[{rows}],{below}"is_truncated":{"true" if token else "false"},'
        f'"next_continuation_token":{next_token},"next_page_token":{next_token}}}'
    ).encode()


def _row(file: File) -> str:
    loss = f',"data_loss":"{loss_word(file.data_loss)}"' if file.data_loss else ""
    return (
        f'{{"key":{encode_basestring(file.key)},"size":{file.size_bytes},'
        f'"content_type":{encode_basestring(file.content_type)},"etag":{encode_basestring(file.etag)},'
        f'"last_modified":"{rfc3339(file.update_time)}"{loss}{facts_text(file)}}}'
    )
