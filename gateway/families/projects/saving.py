"""HTTP to SaveProject and SaveProjectArchive: files are passed on as they arrive.

``finish_write`` is sent only after the body has ended validly; otherwise the call is cancelled and nothing is
saved.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Final

from gateway.families.projects.changes import Changes
from gateway.families.projects.json_tree import KEEPING, TreeFile, TreeHead, TreeReader
from gateway.families.projects.labels import label_of
from gateway.http.exchange import idempotency_key
from gateway.http.json_body import plain_body, require_json
from gateway.upstream.call import Call
from gateway.upstream.pump import CHUNK_BYTES, Intake, pump
from gateway.upstream.wishes import STORAGE_CLASS, retention_of, storage_class_of
from strongroom.errors import InvalidField, MalformedRequest
from strongroom.storage.v1.project_pb2 import (
    SaveProjectArchiveRequest,
    SaveProjectArchiveResponse,
    SaveProjectFile,
    SaveProjectRequest,
    SaveProjectResponse,
    SaveProjectSpec,
)

#: JSON parsed in one go.
PIECE: Final = 1 << 14
#: Bytes held until the slug is known.
HOLD: Final = 8 << 20

#: Bytes of the body allowed for each file beside its content: its path, its place in a form or ZIP, its JSON.
FILE_BYTES: Final = 16 * 1024
#: JSON may take six bytes to write one.
ESCAPED: Final = 6

BROKEN_OFF: Final = "storage_service gave the save up; nothing was saved, send it again."


async def save_tree(call: Call, expected_version: int | None) -> SaveProjectResponse:
    """Save the JSON tree in the body.

    :raises StrongroomError: the request or storage_service refused; nothing is saved then.
    """
    require_json(call)
    body = plain_body(call)
    call.refuse_longer(_largest(call, ESCAPED))
    storage = call.services.storage
    reader = TreeReader(call.services.settings.max_project_files)
    messages = _tree(call, body, reader, expected_version)
    return await pump(call, storage, storage.save_project(call), messages, broken_off=BROKEN_OFF)


async def save_changes(call: Call, slug: str, expected_version: int | None) -> SaveProjectResponse:
    """Save the changes in the body.

    :raises StrongroomError: the request or storage_service refused; nothing is saved then.
    """
    call.refuse_longer(_largest(call, ESCAPED))
    changes = Changes(call, call.services.settings.max_project_files)
    storage = call.services.storage
    messages = _changes(call, changes, slug, expected_version)
    return await pump(call, storage, storage.save_project(call), messages, broken_off=BROKEN_OFF)


async def save_archive(call: Call, spec: SaveProjectSpec) -> SaveProjectArchiveResponse:
    """Save the ZIP in the body.

    :raises StrongroomError: the request or storage_service refused; nothing is saved then.
    """
    call.refuse_encoded_body()
    call.refuse_longer(_largest(call, 1))
    storage = call.services.storage
    rpc = storage.save_project_archive(call)
    return await pump(call, storage, rpc, _archive(call, spec), broken_off=BROKEN_OFF)


def _largest(call: Call, escaped: int) -> int:
    """The largest body of a save, if each byte of a file takes at most ``escaped`` bytes."""
    limits = call.services.settings
    return HOLD + escaped * limits.max_project_bytes + FILE_BYTES * limits.max_project_files


async def _tree(
    call: Call, body: AsyncIterator[bytes], reader: TreeReader, expected_version: int | None
) -> AsyncGenerator[bytes]:
    held: list[TreeFile] = []
    begun, said = False, reader.head
    async for chunk in _small(body):
        held += reader.feed(chunk)
        if reader.head.slug is None or reader.head.name is None:
            if sum(len(file.content) for file in held) > HOLD:
                raise MalformedRequest(
                    "Send name and slug before files in large projects; nothing was saved."
                )
            continue
        if not begun:
            yield _first(_spec(call, reader.head, expected_version))
            said = replace(reader.head)
        for message in _messages(held):
            yield message
        begun, held = True, []
    held += reader.finish()
    if not begun:
        yield _first(_spec(call, reader.head, expected_version))
    elif said != reader.head:
        raise _late()
    for message in _messages(held):
        yield message
    yield SaveProjectRequest(finish_write=True).SerializeToString()


async def _changes(
    call: Call, changes: Changes, slug: str, expected_version: int | None
) -> AsyncGenerator[bytes]:
    """Messages of the save. The head may come after the files, as long as these are few."""
    held: list[TreeFile] = []
    said: TreeHead | None = None
    async for files in changes:
        held += files
        if said is None and sum(len(file.content) for file in held) <= HOLD:
            continue
        if said is None:
            said = replace(changes.head)
            yield _first(_changed_spec(call, said, slug, expected_version))
        for message in _messages(held):
            yield message
        held = []
    if said is None:
        yield _first(_changed_spec(call, changes.head, slug, expected_version))
    elif said != changes.head:
        raise _late()
    for message in _messages(held):
        yield message
    yield SaveProjectRequest(finish_write=True).SerializeToString()


def _late() -> MalformedRequest:
    return MalformedRequest("Send everything else before files in large saves; nothing was saved.")


async def _small(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Divide a large chunk, so that other tasks run while it is parsed: it may be dense with tokens."""
    async for chunk in chunks:
        yield chunk[:PIECE]
        for at in range(PIECE, len(chunk), PIECE):
            await asyncio.sleep(0)
            yield chunk[at : at + PIECE]


def _first(spec: SaveProjectSpec) -> bytes:
    return SaveProjectRequest(spec=spec).SerializeToString()


def _messages(files: list[TreeFile]) -> list[bytes]:
    messages = []
    for file in files:
        if file.removed:
            messages.append(SaveProjectRequest(file=SaveProjectFile(path=file.path, removed=True)))
            continue
        head = SaveProjectFile(
            path=file.path,
            size_bytes=len(file.content),
            sha256=hashlib.sha256(file.content).digest(),
            executable=file.executable,
        )
        messages.append(SaveProjectRequest(file=head))
        messages += [
            SaveProjectRequest(data=file.content[at : at + CHUNK_BYTES])
            for at in range(0, len(file.content), CHUNK_BYTES)
        ]
    return [message.SerializeToString() for message in messages]


def _changed_spec(call: Call, head: TreeHead, slug: str, expected_version: int | None) -> SaveProjectSpec:
    if head.slug not in (None, slug):
        raise InvalidField("slug is that of the address.", field="slug", rule="const")
    spec = _spec(call, replace(head, slug=slug), expected_version)
    spec.partial = True
    return spec


def _spec(call: Call, head: TreeHead, expected_version: int | None) -> SaveProjectSpec:
    if head.expected_version is not None and expected_version not in (None, head.expected_version):
        raise InvalidField(
            "expected_version of the address and of the body differ; send one.",
            field="expected_version",
            rule="once",
        )
    return SaveProjectSpec(
        name=head.name or "",
        slug=head.slug or "",
        expected_version=head.expected_version if expected_version is None else expected_version,
        request_id=idempotency_key(call),
        user_id=call.user_id(head.user_id),
        retention=retention_of({name: getattr(head, name) for name in KEEPING}),
        storage_class=storage_class_of({STORAGE_CLASS: head.storage_class}),
        label=label_of(call, head),
    )


async def _archive(call: Call, spec: SaveProjectSpec) -> AsyncGenerator[bytes]:
    yield SaveProjectArchiveRequest(spec=spec).SerializeToString()
    intake = Intake(call)
    await intake.fill()
    while intake.batch.size:
        yield SaveProjectArchiveRequest(data=b"".join(intake.batch.cut())).SerializeToString()
        await intake.fill()
    yield SaveProjectArchiveRequest(finish_write=True).SerializeToString()
