"""Family C: media of events, profile pictures and temporary files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from google.protobuf.duration_pb2 import Duration

from gateway.families.event_media.shapes import Media, MediaEdit, MediaList, ProfilePicture, TempFile
from gateway.http import fields
from gateway.http.fields import path_id, path_uuid
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, Reply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import url_of_stored, urls_of
from gateway.operations.content_facts import add_facts, loss_word
from gateway.operations.filters import NAMES, file_filter
from gateway.operations.polling import Poll
from gateway.operations.preconditions import (
    IF_MATCH,
    IF_NONE_MATCH,
    OF_BYTES,
    is_conditional,
    seen_generation,
)
from gateway.operations.retention import add_kept
from gateway.operations.revisions import etag, if_match, seen_revision, told_as_revision
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.downloads import Wanted, file_reply
from gateway.upstream.rpcs import (
    DELETE_FILE,
    GET_EVENT_MEDIA,
    GET_PROFILE_PICTURE,
    LIST_EVENT_MEDIA,
    UPDATE_EVENT_MEDIA,
)
from gateway.upstream.streaming import not_the_file_named
from gateway.upstream.uploads import receive_upload
from servicekit.limits.settings import LimitSettings
from strongroom.errors import FileNotFound, InvalidField
from strongroom.metadata.v1.event_media_service_pb2 import (
    GetEventMediaRequest,
    GetProfilePictureRequest,
    ListEventMediaRequest,
    Tags,
    UpdateEventMediaRequest,
)
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_PROFILE_PICTURE, File
from strongroom.metadata.v1.target_pb2 import (
    EventMediaTarget,
    ProfilePictureTarget,
    TempTarget,
    UploadTarget,
)
from strongroom.storage.v1.batch_pb2 import DeleteFileRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest

MEDIA: Final = "/api/v1/events/{event_id}/media"
ONE: Final = MEDIA + "/{media_id}"
PICTURE: Final = "/api/v1/users/me/profile-picture"
MAX_PAGE: Final = 100
MAX_TTL_SECONDS: Final = 30 * 86400

routes = Routes("event_media")


class MediaForm:
    """``title``, ``description`` and ``tags`` (comma-separated) of one event."""

    names: ClassVar[frozenset[str]] = frozenset({"title", "description", "tags"})

    def __init__(self, event_id: str) -> None:
        self._event_id = event_id

    def target(self, form: Mapping[str, str]) -> UploadTarget:
        """See ``gateway.upstream.uploads.Form``."""
        return UploadTarget(
            event_media=EventMediaTarget(
                event_id=self._event_id,
                title=form.get("title", ""),
                description=form.get("description", ""),
                tags=dict.fromkeys(filter(None, (tag.strip() for tag in form.get("tags", "").split(",")))),
            )
        )

    def settled(self, form: Mapping[str, str]) -> bool:
        """See ``gateway.upstream.uploads.Form``."""
        return {"title", "description", "tags"} <= form.keys()

    def largest(self, limits: LimitSettings) -> int:
        """See ``gateway.upstream.uploads.Form``."""
        return limits.max_event_media_bytes


class PictureForm:
    """Only the file."""

    names: ClassVar[frozenset[str]] = frozenset()

    def target(self, form: Mapping[str, str]) -> UploadTarget:  # noqa: ARG002 - a Form's signature
        """See ``gateway.upstream.uploads.Form``."""
        return UploadTarget(profile_picture=ProfilePictureTarget())

    def settled(self, form: Mapping[str, str]) -> bool:  # noqa: ARG002 - a Form's signature
        """See ``gateway.upstream.uploads.Form``."""
        return True

    def largest(self, limits: LimitSettings) -> int:
        """See ``gateway.upstream.uploads.Form``."""
        return limits.max_profile_picture_bytes


class TempForm:
    """``ttl_seconds``, a day by default."""

    names: ClassVar[frozenset[str]] = frozenset({"ttl_seconds"})

    def target(self, form: Mapping[str, str]) -> UploadTarget:
        """See ``gateway.upstream.uploads.Form``."""
        text = form.get("ttl_seconds", "")
        if not text:
            return UploadTarget(temp=TempTarget())
        if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MAX_TTL_SECONDS:
            raise InvalidField(
                f"ttl_seconds must be a whole number from 1 to {MAX_TTL_SECONDS}.",
                field="ttl_seconds",
                rule="range",
            )
        return UploadTarget(temp=TempTarget(ttl=Duration(seconds=int(text))))

    def settled(self, form: Mapping[str, str]) -> bool:
        """See ``gateway.upstream.uploads.Form``."""
        return "ttl_seconds" in form

    def largest(self, limits: LimitSettings) -> int:
        """See ``gateway.upstream.uploads.Form``."""
        return limits.max_temp_bytes


@routes.add("POST", MEDIA)
async def create_event_media(call: Call) -> JsonReply[Media]:
    """Store one medium of an event."""
    stored = await receive_upload(call, MediaForm(path_uuid(call, "event_id")))
    return _shown(stored.file, await url_of_stored(call, stored), 201)


@routes.add("GET", MEDIA)
async def list_event_media(call: Call) -> JsonReply[MediaList]:
    """A page of an event's media, newest first."""
    fields.only(call, "file_type", "tag", "skip", "limit", "page_token", *NAMES)
    skip = fields.skipped(call, "skip")
    limit = fields.integer(call, "limit", default=100, minimum=1, maximum=MAX_PAGE, clamp=True)
    request = ListEventMediaRequest(
        event_id=path_uuid(call, "event_id"),
        content_type=fields.media_type(call, "file_type"),
        tag=call.query("tag") or "",
        page_size=limit,
        page_token=call.query("page_token") or "",
        skip=skip,
        user_id=call.user_id(),
        filter=file_filter(call),
    )
    poll = Poll(call, "links")
    if (same := await poll.unchanged()) is not None:
        return same
    response = await call.ask(LIST_EVENT_MEDIA, request)
    urls = await urls_of(call, response.files)
    return poll.reply(
        {
            "items": [show(file, urls.get(file.id)) for file in response.files],
            "total": response.total_size,
            "skip": skip,
            "limit": limit,
            "next_page_token": response.next_page_token or None,
        },
        response.revision,
        urls.stamp,
    )


@routes.add("GET", ONE)
async def get_event_media(call: Call) -> JsonReply[Media]:
    """One medium."""
    return await _media_reply(call, await _media(call))


@routes.add("PATCH", ONE, judges=(IF_MATCH,))
async def update_event_media(call: Call) -> JsonReply[Media]:
    """Edit title, description and tags; with ``If-Match`` only the medium that was seen."""
    event_id, media_id = path_uuid(call, "event_id"), path_id(call, "media_id")
    edit = await read_json(call, MediaEdit)
    request = UpdateEventMediaRequest(
        event_id=event_id,
        file_id=media_id,
        title=edit.title,
        description=edit.description,
        tags=None if edit.tags is None else Tags(values=dict.fromkeys(edit.tags)),
        user_id=call.user_id(),
        if_generation_match=None if if_match(call) is None else seen_revision(call, await _media(call)),
    )
    with told_as_revision(media_id):
        response = await call.ask(UPDATE_EVENT_MEDIA, request)
    return await _media_reply(call, response.file)


@routes.add("GET", ONE + "/download")
async def download_event_media(call: Call) -> Reply:
    """The bytes as an attachment under the original name."""
    return await file_reply(call, Wanted(await _media_bytes(call), attachment=True))


@routes.add("GET", ONE + "/stream")
async def stream_event_media(call: Call) -> Reply:
    """The bytes inline, for players: supports seeking."""
    return await file_reply(call, Wanted(await _media_bytes(call)))


@routes.add("DELETE", ONE, judges=(IF_MATCH,))
async def delete_event_media(call: Call) -> Reply:
    """Delete the medium's row and object.

    With ``soft`` it can be restored for a while; with ``If-Match`` only the medium that the client has seen.
    """
    file = await _media(call)
    soft, generation = fields.flag(call, "soft"), seen_revision(call, file)
    with told_as_revision(file.id):
        await _delete(call, file, generation, soft=soft)
    return Reply(204)


@routes.add("PUT", PICTURE, judges=OF_BYTES)
async def put_profile_picture(call: Call) -> JsonReply[ProfilePicture]:
    """Store or replace the caller's picture in one step; with conditions only one that meets them."""
    stored = await receive_upload(call, PictureForm(), replacing=await _replaced(call))
    file = stored.file
    shown: ProfilePicture = {
        "id": file.id,
        "user_id": file.owner_id,
        "file_url": await url_of_stored(call, stored),
        "s3_key": file.key,
        "file_type": file.content_type,
        "file_size": file.size_bytes,
        "created_at": rfc3339(file.create_time),
        "updated_at": rfc3339(file.update_time),
    }
    add_facts(shown, file)
    return json_reply(shown)


@routes.add("GET", PICTURE)
async def get_profile_picture(call: Call) -> Reply:
    """The caller's picture."""
    file = await _picture(call)
    request = DownloadRequest(file_id=file.id, user_id=call.user_id(), family=FILE_FAMILY_PROFILE_PICTURE)
    return await file_reply(call, Wanted(request))


@routes.add("DELETE", PICTURE, judges=OF_BYTES)
async def delete_profile_picture(call: Call) -> Reply:
    """Delete the caller's picture; with conditions only one that meets them."""
    file = await _picture(call)
    await _delete(call, file, seen_generation(call, file) if is_conditional(call) else None)
    return Reply(204)


@routes.add("POST", "/api/v1/temp")
async def create_temp_file(call: Call) -> JsonReply[TempFile]:
    """Store a file that is deleted automatically."""
    stored = await receive_upload(call, TempForm())
    file = stored.file
    return json_reply(
        {
            "id": file.id,
            "key": file.key,
            "url": await url_of_stored(call, stored),
            "size": file.size_bytes,
            "content_type": file.content_type,
            "filename": file.filename,
            "created_at": rfc3339(file.create_time),
            "expires_at": rfc3339(file.expire_time),
        },
        201,
    )


def show(file: File, url: str | None) -> Media:
    """A medium as JSON."""
    details = file.event_media_details
    shown: Media = {
        "id": file.id,
        "event_id": details.event_id,
        "title": details.title or None,
        "description": details.description or None,
        "file_url": url,
        "s3_key": file.key,
        "file_type": file.content_type,
        "file_size": file.size_bytes,
        "tags": list(details.tags),
        "created_at": rfc3339(file.create_time),
        "updated_at": rfc3339(file.update_time),
    }
    if file.data_loss:
        shown["data_loss"] = loss_word(file.data_loss)
    add_facts(shown, file)
    add_kept(shown, file.retention)
    return shown


async def _media_reply(call: Call, file: File) -> JsonReply[Media]:
    return _shown(file, (await urls_of(call, [file])).get(file.id))


def _shown(file: File, url: str | None, status: int = 200) -> JsonReply[Media]:
    return json_reply(show(file, url), status, [etag(file)])


async def _media(call: Call) -> File:
    request = GetEventMediaRequest(
        event_id=path_uuid(call, "event_id"), file_id=path_id(call, "media_id"), user_id=call.user_id()
    )
    return (await call.ask(GET_EVENT_MEDIA, request)).file


async def _media_bytes(call: Call) -> DownloadRequest:
    """The request for the medium's bytes, after checking that it belongs to the event in the path."""
    file = await _media(call)
    return DownloadRequest(file_id=file.id, user_id=call.user_id())


async def _picture(call: Call) -> File:
    request = GetProfilePictureRequest(user_id=call.user_id())
    return (await call.ask(GET_PROFILE_PICTURE, request)).file


async def _replaced(call: Call) -> int | None:
    """The generation of the picture that may be replaced; 0: there must be none; None: any.

    Whether there is none is decided by the service, which recognizes repeats.

    :raises PreconditionFailed: the conditions don't hold.
    """
    if not is_conditional(call):
        return None
    if call.header(IF_MATCH) is None and (call.header(IF_NONE_MATCH) or "").strip() == "*":
        return 0
    try:
        return seen_generation(call, await _picture(call))
    except FileNotFound:
        if call.header(IF_MATCH) is not None:
            raise not_the_file_named("") from None
        return 0


async def _delete(call: Call, file: File, generation: int | None, *, soft: bool = False) -> None:
    """:param generation: delete only this generation of the file; None: any."""
    request = DeleteFileRequest(
        file_id=file.id, user_id=call.user_id(), soft=soft, if_generation_match=generation
    )
    await call.ask(DELETE_FILE, request)
