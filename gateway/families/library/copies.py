"""Requests to copy or move a file; the source supplies what the body leaves out."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from gateway.families.library.shapes import CopyBody
from gateway.families.targets import target_fields, upload_target
from gateway.http.exchange import idempotency_key
from gateway.upstream.call import Call, Rpc
from gateway.upstream.uploads import FOLDERS, VISIBILITIES
from gateway.upstream.wishes import NAMES, STORAGE_CLASS, retention_of, storage_class_of
from strongroom.errors import FileNotFound, InvalidField, StrongroomError
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_UPLOADS,
    EventMediaTarget,
    FileTarget,
    GenerationTarget,
    ProfilePictureTarget,
    TempTarget,
    UploadSpec,
    UploadTarget,
)
from strongroom.storage.v1.batch_pb2 import CopyFileRequest, MoveFileRequest

#: Keys that families define in ``metadata``; the copy gets its own values.
PROMISED: Final = frozenset({"user_id", "original_filename", "content_type", "upload_timestamp", "class_id"})


def spec_of(call: Call, body: CopyBody, source: File, *, keep_visibility: bool) -> UploadSpec:
    """The copy's spec.

    :param keep_visibility: keep the source's, unless the body says otherwise; else private.

    :raises InvalidField: the target is invalid or missing.
    """
    target = own_target(source) if body.target is None else upload_target(target_fields(body.target))
    metadata = body.metadata
    if metadata is None:
        metadata = {name: text for name, text in source.metadata.items() if name not in PROMISED}
    visibility = VISIBILITIES[body.visibility or "private"]
    if body.visibility is None and keep_visibility:
        visibility = source.visibility
    said = body.model_dump(include={*NAMES, STORAGE_CLASS}, exclude_defaults=True)
    wished = target_fields(body.target or {}) | said
    spec = UploadSpec(
        target=target,
        filename=body.filename,
        metadata=metadata,
        visibility=visibility,
        request_id=idempotency_key(call),
        user_id=call.user_id(body.user_id),
        retention=retention_of(wished),
        storage_class=storage_class_of(wished),
    )
    if target.WhichOneof("target") in {"path", "profile_picture"} and not body.replace:
        spec.if_generation_match = 0
    return spec


def asked(call: Call, body: CopyBody, act: str) -> bytes:
    """The request's identity, which does not depend on changes of the source between repeats."""
    said = [act, call.path["file"], body.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


async def answered_before(
    call: Call,
    body: CopyBody,
    rpc: Rpc[Any, Any],
    request: CopyFileRequest | MoveFileRequest,
    refused: StrongroomError,
) -> File:
    """The answer of an earlier request, if its source is gone (a move removes it) or is now another file.

    Raises ``refused`` if there was none.
    """
    key = idempotency_key(call)
    if not key:
        raise refused
    request.spec.request_id, request.spec.user_id = key, call.user_id(body.user_id)
    request.spec.target.temp.SetInParent()
    try:
        file: File = (await call.ask(rpc, request)).file
    except (FileNotFound, InvalidField):  # InvalidField: an older release requires a source
        raise refused from None
    return file


def own_target(source: File) -> UploadTarget:
    """The family of ``source`` with its details.

    :raises InvalidField: a file at a path must go to another path.
    """
    match source.family:
        case file_pb2.FILE_FAMILY_GENERATION:
            made = source.generation_details
            target = GenerationTarget(type=made.type, prompt=made.prompt, settings_json=made.settings_json)
            return UploadTarget(generation=target)
        case file_pb2.FILE_FAMILY_EVENT_MEDIA:
            media = source.event_media_details
            return UploadTarget(
                event_media=EventMediaTarget(
                    event_id=media.event_id, title=media.title, description=media.description, tags=media.tags
                )
            )
        case file_pb2.FILE_FAMILY_TEMP:
            return UploadTarget(temp=TempTarget())
        case file_pb2.FILE_FAMILY_PROFILE_PICTURE:
            return UploadTarget(profile_picture=ProfilePictureTarget())
        case file_pb2.FILE_FAMILY_PATH:
            raise InvalidField(
                'Say where it is to go: {"target": {"family": "path", "path": "…"}}.',
                field="target",
                rule="required",
            )
        case _:
            folder = source.key.partition("/")[0]
            class_id = source.metadata.get("class_id", "")
            return UploadTarget(
                file=FileTarget(folder=FOLDERS.get(folder, FILE_FOLDER_UPLOADS), class_id=class_id)
            )
