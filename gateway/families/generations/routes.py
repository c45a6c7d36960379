"""Family A: generated images and videos under ``/api/generations``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar, Final, cast

from google.rpc.status_pb2 import Status
from grpc import aio

from gateway.families.generations.shapes import (
    BatchBody,
    BatchResult,
    BatchResults,
    Done,
    Generation,
    GenerationBody,
    GenerationKind,
    GenerationList,
    GenerationStats,
    ImportedGeneration,
    OneGeneration,
    SavedGeneration,
    SignedUrl,
)
from gateway.http import fields
from gateway.http.exchange import idempotency_key
from gateway.http.fields import path_id
from gateway.http.json_body import json_field, read_json
from gateway.http.problems import REST_NAMES
from gateway.http.reply import JsonReply, Reply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import url_of_stored, urls_of
from gateway.operations.content_facts import add_facts, loss_word
from gateway.operations.filters import NAMES as NAMES_OF_FILTERS
from gateway.operations.filters import SETTINGS, file_filter
from gateway.operations.polling import Poll
from gateway.operations.retention import add_kept
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.downloads import Wanted, file_reply
from gateway.upstream.rpcs import (
    BATCH_IMPORT,
    DELETE_FILE,
    GET_GENERATION,
    GET_GENERATION_STATS,
    LIST_GENERATIONS,
    SIGN_URL,
)
from gateway.upstream.uploads import VISIBILITIES, receive_upload
from gateway.upstream.wishes import STORAGE_CLASS, storage_class_of
from servicekit.limits.settings import LimitSettings
from strongroom.enum_words import enum_word
from strongroom.errors import Internal, from_status_proto
from strongroom.field_names import with_callers_names
from strongroom.metadata.v1.file_pb2 import (
    FILE_FAMILY_GENERATION,
    GENERATION_TYPE_IMAGE_TO_IMAGE,
    GENERATION_TYPE_IMAGE_TO_VIDEO,
    GENERATION_TYPE_TEXT_TO_IMAGE,
    GENERATION_TYPE_TEXT_TO_VIDEO,
    GENERATION_TYPE_UNSPECIFIED,
    File,
    GenerationType,
)
from strongroom.metadata.v1.generation_service_pb2 import (
    GetGenerationRequest,
    GetGenerationStatsRequest,
    ListGenerationsRequest,
)
from strongroom.metadata.v1.target_pb2 import GenerationTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.batch_pb2 import BatchImportRequest, DeleteFileRequest
from strongroom.storage.v1.direct_pb2 import ImportFromUrlRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, SignUrlRequest

PREFIX: Final = "/api/generations"
ONE: Final = PREFIX + "/{id}"
NAMES: Final[Mapping[GenerationType.ValueType, GenerationKind]] = {
    GENERATION_TYPE_TEXT_TO_IMAGE: "text-to-image",
    GENERATION_TYPE_TEXT_TO_VIDEO: "text-to-video",
    GENERATION_TYPE_IMAGE_TO_IMAGE: "image-to-image",
    GENERATION_TYPE_IMAGE_TO_VIDEO: "image-to-video",
}
TYPES: Final[Mapping[str, GenerationType.ValueType]] = {name: value for value, name in NAMES.items()}
MAX_PAGE: Final = 100
MAX_URL_SECONDS: Final = 604_800
BATCH_BYTES: Final = 8 * 1024 * 1024
#: Keys of batches up to this length are used as they are, so that the items' keys don't get too long.
_LONGEST_PLAIN: Final = 240

routes = Routes("generations")


class GenerationForm:
    """``type``, and optionally ``prompt`` and ``settings`` (JSON text)."""

    names: ClassVar[frozenset[str]] = frozenset({"type", "prompt", "settings"})

    def target(self, form: Mapping[str, str]) -> UploadTarget:
        """See ``gateway.upstream.uploads.Form``."""
        kind = fields.choice(form, "type", TYPES)
        settings = form.get("settings", "")
        if settings:
            settings = json_field(settings, "settings")
        return UploadTarget(
            generation=GenerationTarget(type=kind, prompt=form.get("prompt", ""), settings_json=settings)
        )

    def settled(self, form: Mapping[str, str]) -> bool:
        """See ``gateway.upstream.uploads.Form``."""
        return {"type", "prompt", "settings"} <= form.keys()

    def largest(self, limits: LimitSettings) -> int:
        """See ``gateway.upstream.uploads.Form``."""
        return limits.max_generation_bytes


@routes.add("POST", PREFIX)
async def create_generation(call: Call) -> JsonReply[ImportedGeneration]:
    """Import a generation from its provider's URL."""
    body = await read_json(call, GenerationBody)
    request = _import_request(call, body)
    request.spec.request_id = idempotency_key(call)
    file = await _import_file(call, request)
    urls = await urls_of(call, [file])
    return json_reply({**_saved(file, urls.get(file.id)), "externalUrl": body.url}, 201)


async def _import_file(call: Call, request: ImportFromUrlRequest) -> File:
    """Import a file from a URL: storage_service downloads, the gateway waits. The body must have been read.

    :raises StrongroomError: SourceUrlRefused, SourceUrlFailed, and what an upload may answer.
    :raises ClientGone: the client left; the import is cancelled.
    """
    storage = call.services.storage
    rpc = storage.import_from_url(call, request)
    try:
        with call.client.cancels(rpc):
            async for update in rpc:
                if update.HasField("file"):
                    return update.file
    except aio.AioRpcError as error:
        raise storage.error(error) from None
    raise Internal("storage_service ended an import without a file.")


@routes.add("POST", PREFIX + "/upload")
async def upload_generation(call: Call) -> JsonReply[SavedGeneration]:
    """Store a generation sent by the caller."""
    stored = await receive_upload(call, GenerationForm())
    return json_reply(_saved(stored.file, await url_of_stored(call, stored)), 201)


@routes.add("POST", PREFIX + "/batch")
async def import_generations(call: Call) -> JsonReply[BatchResults]:
    """Import up to 50 generations in parallel; they fail independently."""
    body = await read_json(call, BatchBody, limit=BATCH_BYTES)
    await call.services.limiter.imports(call.principal.subject, len(body.items))
    key = idempotency_key(call)
    request = BatchImportRequest(items=[_import_request(call, item) for item in body.items])
    for number, item in enumerate(request.items):
        item.spec.request_id = _key_of_item(key, number) if key else ""
    response = await call.ask(BATCH_IMPORT, request)
    files = [result.file for result in response.results if result.HasField("file")]
    urls = await urls_of(call, files)
    return json_reply(
        {
            "success": True,
            "results": [
                {"success": True, "generation": show(result.file, urls.get(result.file.id))}
                if result.HasField("file")
                else _failed(result.error)
                for result in response.results
            ],
        }
    )


@routes.add("GET", PREFIX)
async def list_generations(call: Call) -> JsonReply[GenerationList]:
    """A page of the caller's generations, newest first."""
    fields.only(call, "type", "limit", "offset", "page_token", *NAMES_OF_FILTERS, below=SETTINGS)
    limit = fields.integer(call, "limit", default=20, minimum=1, maximum=MAX_PAGE, clamp=True)
    offset = fields.skipped(call, "offset")
    kind = call.query("type")
    request = ListGenerationsRequest(
        type=fields.choice({"type": kind}, "type", TYPES) if kind else GENERATION_TYPE_UNSPECIFIED,
        page_size=limit,
        skip=offset,
        page_token=call.query("page_token") or "",
        user_id=call.user_id(),
        filter=file_filter(call, settings=True),
    )
    poll = Poll(call, "links")
    if (same := await poll.unchanged()) is not None:
        return same
    response = await call.ask(LIST_GENERATIONS, request)
    urls = await urls_of(call, response.files)
    return poll.reply(
        {
            "success": True,
            "generations": [show(file, urls.get(file.id)) for file in response.files],
            "total": response.total_size,
            "limit": limit,
            "offset": offset,
            "next_page_token": response.next_page_token or None,
        },
        response.revision,
        urls.stamp,
    )


@routes.add("GET", PREFIX + "/stats")
async def generation_stats(call: Call) -> JsonReply[GenerationStats]:
    """Counts and bytes from one snapshot."""
    request = GetGenerationStatsRequest(user_id=call.user_id())
    poll = Poll(call)
    if (same := await poll.unchanged()) is not None:
        return same
    stats = await call.ask(GET_GENERATION_STATS, request)
    return poll.reply(
        {
            "success": True,
            "stats": {
                "total": stats.total,
                "total_bytes": stats.total_bytes,
                "by_type": {
                    kind_of(entry.type): {"count": entry.count, "bytes": entry.size_bytes}
                    for entry in stats.by_type
                },
                "by_day": [
                    {"date": day.date, "count": day.count, "bytes": day.size_bytes} for day in stats.by_day
                ],
                "estimated_monthly_cost_usd": round(stats.estimated_monthly_cost_usd, 6),
            },
        },
        stats.revision,
    )


@routes.add("GET", ONE)
async def get_generation(call: Call) -> JsonReply[OneGeneration]:
    """One generation."""
    request = GetGenerationRequest(file_id=path_id(call, "id"), user_id=call.user_id())
    file = (await call.ask(GET_GENERATION, request)).file
    urls = await urls_of(call, [file])
    return json_reply({"success": True, "generation": show(file, urls.get(file.id))})


@routes.add("GET", ONE + "/signed-url")
async def generation_url(call: Call) -> JsonReply[SignedUrl]:
    """A URL that reads the generation directly from the store."""
    seconds = fields.integer(call, "expiresIn", default=3600, minimum=1, maximum=MAX_URL_SECONDS)
    request = SignUrlRequest(
        file_id=path_id(call, "id"),
        expires_in_seconds=seconds,
        user_id=call.user_id(),
        family=FILE_FAMILY_GENERATION,
    )
    response = await call.ask(SIGN_URL, request)
    permanent = not response.HasField("expire_time")
    return json_reply(
        {
            "success": True,
            "signedUrl": response.url,
            "expiresIn": None if permanent else response.expires_in_seconds,
            "expiresAt": None if permanent else rfc3339(response.expire_time),
        },
        secret=True,
    )


@routes.add("GET", ONE + "/content")
async def generation_content(call: Call) -> Reply:
    """The bytes, for ``<img>`` and ``<video>``."""
    request = DownloadRequest(
        file_id=path_id(call, "id"), user_id=call.user_id(), family=FILE_FAMILY_GENERATION
    )
    return await file_reply(call, Wanted(request))


@routes.add("DELETE", ONE)
async def delete_generation(call: Call) -> JsonReply[Done]:
    """Delete the generation's row and object; with ``soft`` it can be restored for a while."""
    request = DeleteFileRequest(
        file_id=path_id(call, "id"),
        user_id=call.user_id(),
        family=FILE_FAMILY_GENERATION,
        soft=fields.flag(call, "soft"),
    )
    await call.ask(DELETE_FILE, request)
    message = "The generation is in the trash." if request.soft else "The generation was deleted."
    return json_reply({"success": True, "message": message})


def kind_of(kind: GenerationType.ValueType) -> GenerationKind:
    """One of the shape's words that this release knows."""
    return NAMES.get(kind) or cast("GenerationKind", enum_word(GenerationType.DESCRIPTOR, kind))


def show(file: File, url: str | None) -> Generation:
    """A generation as JSON, with the camel-case aliases of the save routes."""
    details = file.generation_details
    created = rfc3339(file.create_time)
    shown: Generation = {
        "id": file.id,
        "user_id": file.owner_id,
        "generation_type": kind_of(details.type),
        "s3_key": file.key,
        "s3_url": url,
        "prompt": details.prompt or None,
        "settings": json.loads(details.settings_json) if details.settings_json else None,
        "file_size": file.size_bytes,
        "content_type": file.content_type,
        "created_at": created,
        "updated_at": rfc3339(file.update_time),
        "url": url,
        "s3Key": file.key,
        "createdAt": created,
    }
    if file.data_loss:
        shown["data_loss"] = loss_word(file.data_loss)
    add_facts(shown, file)
    add_kept(shown, file.retention)
    return shown


def _saved(file: File, url: str | None) -> SavedGeneration:
    return {
        "success": True,
        "message": "The generation was saved.",
        "generation": show(file, url),
    }


def _import_request(call: Call, body: GenerationBody) -> ImportFromUrlRequest:
    settings = "" if body.settings is None else json_reply(body.settings).body.decode()
    target = GenerationTarget(type=TYPES[body.type], prompt=body.prompt or "", settings_json=settings)
    spec = UploadSpec(
        target=UploadTarget(generation=target),
        visibility=VISIBILITIES[body.visibility],
        user_id=call.user_id(),
        retention=body.wish(),
        storage_class=storage_class_of({STORAGE_CLASS: body.storage_class}),
    )
    return ImportFromUrlRequest(url=body.url, spec=spec)


def _key_of_item(key: str, number: int) -> str:
    """The key of an item of a batch. Long batch keys with the same beginning get different items' keys."""
    if len(key) > _LONGEST_PLAIN:
        key = f"{key[: _LONGEST_PLAIN - 65]}-{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{key}#{number}"


def _failed(status: Status) -> BatchResult:
    error = with_callers_names(from_status_proto(status), REST_NAMES)
    return {"success": False, "message": error.message, "code": error.reason_name}
