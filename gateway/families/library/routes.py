"""Files of every family, named by id or key: edits, copies, moves, deletion, the trash, usage."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from gateway.families.library.copies import answered_before, asked, spec_of
from gateway.families.library.folders import delete_folder, folder_archive, folder_page
from gateway.families.library.rendering import FAMILIES, file_answer, listed, show, show_costs, show_usage
from gateway.families.library.shapes import (
    BatchDeleteBody,
    BatchDeleteResult,
    BatchDeleteResults,
    CopyBody,
    Costs,
    FileEdit,
    LibraryFile,
    LibraryFileDeleted,
    LibraryList,
    TrashEmptied,
    TrashFilePurged,
    TrashList,
    UsageAndQuota,
)
from gateway.http import fields
from gateway.http.fields import path_id
from gateway.http.json_body import read_json
from gateway.http.problems import REST_NAMES
from gateway.http.reply import JsonReply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.filters import NAMES, SETTINGS, file_filter
from gateway.operations.polling import Poll
from gateway.operations.preconditions import IF_MATCH
from gateway.operations.revisions import if_match, named_generation, seen_revision, told_as_revision
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import (
    BATCH_DELETE,
    COPY_FILE,
    DELETE_FILE,
    EMPTY_TRASH,
    GET_COSTS,
    GET_FILE,
    GET_USAGE,
    LIST_TRASH,
    MOVE_FILE,
    PURGE_FILE,
    SEARCH_FILES,
    UNDELETE_FILE,
    UPDATE_FILE,
)
from gateway.upstream.uploads import VISIBILITIES
from strongroom.errors import FileNotFound, InvalidField, from_status_proto
from strongroom.field_names import with_callers_names
from strongroom.metadata.v1.event_media_service_pb2 import Tags
from strongroom.metadata.v1.file_pb2 import (
    FILE_FAMILY_UNSPECIFIED,
    VISIBILITY_PRIVATE,
    File,
    FileFamily,
)
from strongroom.metadata.v1.file_service_pb2 import (
    EmptyTrashRequest,
    GetFileRequest,
    ListTrashRequest,
    PurgeFileRequest,
    SearchFilesRequest,
    UndeleteFileRequest,
    UpdateFileRequest,
)
from strongroom.metadata.v1.usage_service_pb2 import GetCostsRequest, GetUsageRequest
from strongroom.storage.v1.batch_pb2 import (
    BatchDeleteRequest,
    CopyFileRequest,
    DeleteFileRequest,
    MoveFileRequest,
)

ALL: Final = "/api/v1/files"
ONE: Final = ALL + "/{file:path}"
FOLDER: Final = "/api/v1/folders/{folder:path}"
TRASH: Final = "/api/v1/trash"
IN_TRASH: Final = TRASH + "/{id}"
MAX_PAGE: Final = 1000
BATCH_BYTES: Final = 4 * 1024 * 1024
MAX_KEY_BYTES: Final = 1024

routes = Routes("library")
routes.add("GET", FOLDER + "/archive")(folder_archive)
routes.add("DELETE", FOLDER)(delete_folder)


@routes.add("GET", ALL)
async def list_library_files(call: Call) -> JsonReply[LibraryList]:
    """A page of the caller's files that match the filters, newest first; with ``delimiter`` a page of a
    folder.
    """
    known = ("prefix", "delimiter", "family", "type", "limit", "page_token", *NAMES)
    fields.only(call, *known, below=SETTINGS)
    if call.query("delimiter"):
        return await folder_page(call, _family(call), _limit(call))
    request = SearchFilesRequest(
        filter=file_filter(call, content_type=fields.media_type(call, "type"), settings=True),
        family=_family(call),
        prefix=call.query("prefix") or "",
        page_size=_limit(call),
        page_token=call.query("page_token") or "",
        user_id=call.user_id(),
    )
    poll = Poll(call, "links")
    if (same := await poll.unchanged()) is not None:
        return same
    page = await call.ask(SEARCH_FILES, request)
    return await listed(call, poll, page)


@routes.add("POST", ALL + "/batch-delete")
async def delete_library_files(call: Call) -> JsonReply[BatchDeleteResults]:
    """Delete up to 1,000 files; they fail independently."""
    body = await read_json(call, BatchDeleteBody, limit=BATCH_BYTES)
    named = [name for name in body.files if _is_id(name)]
    keys = [name for name in body.files if not _is_id(name)]
    request = BatchDeleteRequest(
        file_ids=[str(UUID(name)) for name in named],
        keys=keys,
        soft=body.soft,
        user_id=call.user_id(body.user_id),
    )
    statuses = dict(zip([*named, *keys], (await call.ask(BATCH_DELETE, request)).results, strict=True))
    results: list[BatchDeleteResult] = []
    for name in body.files:
        if not statuses[name].code:
            results.append({"file": name, "deleted": True})
            continue
        error = with_callers_names(from_status_proto(statuses[name]), REST_NAMES)
        results.append({"file": name, "deleted": False, "code": error.reason_name, "message": error.message})
    deleted = sum(result["deleted"] for result in results)
    return json_reply({"results": results, "deleted": deleted, "failed": len(results) - deleted})


@routes.add("POST", ONE + "/copy")
async def copy_library_file(call: Call) -> JsonReply[LibraryFile]:
    """Copy the file inside the store."""
    body = await read_json(call, CopyBody)
    request = CopyFileRequest(asked=asked(call, body, "copy"))
    try:
        source = await file_of_path(call, body.user_id)
        request.spec.CopyFrom(spec_of(call, body, source, keep_visibility=False))
    except (FileNotFound, InvalidField) as refused:
        return await file_answer(call, await answered_before(call, body, COPY_FILE, request, refused), 201)
    request.source_file_id = source.id
    return await file_answer(call, (await call.ask(COPY_FILE, request)).file, 201)


@routes.add("POST", ONE + "/move", judges=(IF_MATCH,))
async def move_library_file(call: Call) -> JsonReply[LibraryFile]:
    """Move the file; with ``If-Match`` only the revision that the client has seen."""
    body = await read_json(call, CopyBody)
    request = MoveFileRequest(asked=asked(call, body, "move"))
    try:
        source = await file_of_path(call, body.user_id)
        request.spec.CopyFrom(spec_of(call, body, source, keep_visibility=True))
    except (FileNotFound, InvalidField) as refused:
        return await file_answer(call, await answered_before(call, body, MOVE_FILE, request, refused), 201)
    if (generation := named_generation(call, source)) is not None:
        request.if_generation_match = generation
    request.source_file_id = source.id
    with told_as_revision(source.id, of="source", asked=generation is not None):
        response = await call.ask(MOVE_FILE, request)
    return await file_answer(call, response.file, 201)


@routes.add("GET", ONE)
async def get_library_file(call: Call) -> JsonReply[LibraryFile]:
    """The file's properties."""
    return await file_answer(call, await file_of_path(call))


@routes.add("PATCH", ONE, judges=(IF_MATCH,))
async def edit_library_file(call: Call) -> JsonReply[LibraryFile]:
    """Edit name, visibility, metadata, title, description, tags: a merge patch (RFC 7396)."""
    named = named_file(call)
    edit = await read_json(call, FileEdit)
    file = (await call.ask(GET_FILE, named)).file
    request = _edit(file, edit)
    request.user_id = call.user_id()
    generation = seen_revision(call, file)
    if generation is not None:
        request.if_generation_match = generation
    with told_as_revision(file.id):
        response = await call.ask(UPDATE_FILE, request)
    return await file_answer(call, response.file)


@routes.add("DELETE", ONE, judges=(IF_MATCH,))
async def delete_library_file(call: Call) -> JsonReply[LibraryFileDeleted]:
    """Delete the file; with ``soft`` move it to the trash; with ``If-Match`` only the revision that the
    client has seen.
    """
    named, soft = named_file(call), fields.flag(call, "soft")
    file_id, generation = named.file_id, None
    if if_match(call) is not None:
        file = (await call.ask(GET_FILE, named)).file
        file_id, generation = file.id, seen_revision(call, file)
    request = DeleteFileRequest(user_id=named.user_id, soft=soft, if_generation_match=generation)
    if file_id:
        request.file_id = file_id
    else:
        request.key = named.key
    with told_as_revision(request.file_id):
        file = (await call.ask(DELETE_FILE, request)).file
    purge = rfc3339(file.purge_time) if file.HasField("purge_time") else None
    return json_reply({"id": file.id, "deleted": True, "purge_at": purge})


@routes.add("GET", TRASH)
async def list_trash(call: Call) -> JsonReply[TrashList]:
    """A page of the trash, most recently deleted first."""
    fields.only(call, "family", "limit", "page_token")
    request = ListTrashRequest(
        family=_family(call),
        page_size=_limit(call),
        page_token=call.query("page_token") or "",
        user_id=call.user_id(),
    )
    poll = Poll(call)
    if (same := await poll.unchanged()) is not None:
        return same
    response = await call.ask(LIST_TRASH, request)
    return poll.reply(
        {
            "files": [show(file, None) for file in response.files],
            "next_page_token": response.next_page_token or None,
        },
        response.revision,
    )


@routes.add("DELETE", TRASH)
async def empty_trash(call: Call) -> JsonReply[TrashEmptied]:
    """Delete everything in the trash for good."""
    fields.only(call, "family")
    response = await call.ask(EMPTY_TRASH, EmptyTrashRequest(family=_family(call), user_id=call.user_id()))
    return json_reply(
        {
            "purged": response.file_count,
            "bytes": response.size_bytes,
            "more": response.more,
            "kept": response.kept_count,
        }
    )


@routes.add("POST", IN_TRASH + "/restore")
async def restore_from_trash(call: Call) -> JsonReply[LibraryFile]:
    """Restore the file."""
    request = UndeleteFileRequest(file_id=path_id(call, "id"), user_id=call.user_id())
    return await file_answer(call, (await call.ask(UNDELETE_FILE, request)).file)


@routes.add("DELETE", IN_TRASH)
async def purge_from_trash(call: Call) -> JsonReply[TrashFilePurged]:
    """Delete the file for good."""
    request = PurgeFileRequest(file_id=path_id(call, "id"), user_id=call.user_id())
    return json_reply({"id": (await call.ask(PURGE_FILE, request)).file.id, "purged": True})


@routes.add("GET", "/api/v1/usage/costs")
async def get_costs(call: Call) -> JsonReply[Costs]:
    """Monthly cost of the caller's objects."""
    fields.only(call)
    return json_reply(show_costs(await call.ask(GET_COSTS, GetCostsRequest(user_id=call.user_id()))))


@routes.add("GET", "/api/v1/usage")
async def get_usage(call: Call) -> JsonReply[UsageAndQuota]:
    """The caller's usage and quota."""
    usage = (await call.ask(GET_USAGE, GetUsageRequest(user_id=call.user_id()))).usage
    return json_reply(show_usage(usage))


def _edit(file: File, edit: FileEdit) -> UpdateFileRequest:
    """Only members that were sent: absent and null differ."""
    request = UpdateFileRequest(file_id=file.id)
    sent = edit.model_fields_set
    if not sent:
        raise InvalidField("Send at least one member to change.", field="body", rule="required")
    if "filename" in sent:
        request.filename = edit.filename
    if "visibility" in sent:
        request.visibility = VISIBILITIES[edit.visibility] or VISIBILITY_PRIVATE
    if "metadata" in sent:
        pairs = edit.metadata or {}
        request.replace_metadata = edit.metadata is None
        request.metadata.update({name: text for name, text in pairs.items() if text is not None})
        request.remove_metadata.extend(name for name, text in pairs.items() if text is None)
    if "title" in sent:
        request.title = edit.title or ""
    if "description" in sent:
        request.description = edit.description or ""
    if "tags" in sent:
        request.tags.CopyFrom(Tags(values=dict.fromkeys(edit.tags or ())))
    return request


def named_file(call: Call, user_id: str | None = None) -> GetFileRequest:
    """The file of the path, by id or key.

    :raises InvalidField: it can be neither; the services would call it ``key``.
    """
    name = call.path["file"]
    if len(name.encode()) > MAX_KEY_BYTES or "\0" in name:
        raise InvalidField(
            f"file must be an id, or a key of at most {MAX_KEY_BYTES} bytes without NUL.",
            field="file",
            rule="key",
        )
    if _is_id(name):
        return GetFileRequest(file_id=str(UUID(name)), user_id=call.user_id(user_id))
    return GetFileRequest(key=name, user_id=call.user_id(user_id))


async def file_of_path(call: Call, user_id: str | None = None) -> File:
    """The file of the path, in its current state."""
    return (await call.ask(GET_FILE, named_file(call, user_id))).file


def _family(call: Call) -> FileFamily.ValueType:
    name = call.query("family")
    return FILE_FAMILY_UNSPECIFIED if name is None else fields.choice({"family": name}, "family", FAMILIES)


def _limit(call: Call) -> int:
    return fields.integer(call, "limit", default=100, minimum=1, maximum=MAX_PAGE, clamp=True)


def _is_id(name: str) -> bool:
    """A key always contains a slash; any other text that is no UUID names no file."""
    if "/" in name:
        return False
    try:
        UUID(name)
    except ValueError:
        return False
    return True
