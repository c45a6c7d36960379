"""A caller's files that are still in the spool, shown as they will be stored."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from strongroom import errors
from strongroom.client.files import Family, FileName, FilePage, StoredFile, Visibility, id_or_key
from strongroom.client.spooling.disk import Entry, SpoolDisk
from strongroom.client.spooling.documents import sent_file, spool_id
from strongroom.client.spooling.operations import BODY, PREFIX
from strongroom.metadata.v1 import file_pb2, target_pb2
from strongroom.path_rules import as_stored
from strongroom.storage.v1 import batch_pb2
from strongroom.subjects import key_segment

BLOCK_BYTES = 1 << 20
_FAMILIES = {
    "file": Family.FILE,
    "generation": Family.GENERATION,
    "event_media": Family.EVENT_MEDIA,
    "profile_picture": Family.PROFILE_PICTURE,
    "temp": Family.TEMP,
    "path": Family.PATH,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting file, and the path of its bytes."""

    file: StoredFile
    place: Path


@dataclass
class View:
    """The waiting files of one user. ``gone``: ids and keys whose deletion waits."""

    waiting: dict[str, Waiting] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def find(self, name: FileName) -> Waiting | None:
        """Return the waiting file of a name, or None. Raises FileNotFound if its deletion waits."""
        file_id, key = id_or_key(name)
        found = self.waiting.get(file_id) or self.waiting.get(self.keys.get(key, ""))
        if found is None and {file_id, key} & self.gone:
            raise errors.FileNotFound("There is no such file: its deletion waits in the spool.")
        return found

    def over(self, page: FilePage, prefix: str, family: Family | None, *, first: bool) -> FilePage:
        """Return the service's page completed by waiting files, which are on the first page."""
        files = [
            file for file in page.files if not {file.id, file.key} & self.gone and file.key not in self.keys
        ]
        if first:
            mine = (waiting.file for waiting in self.waiting.values())
            files += [
                file
                for file in mine
                if file.key.startswith(prefix) and (family is None or file.family is family)
            ]
        files.sort(key=lambda file: file.key)
        return FilePage(tuple(files), page.next_page_token, complete=page.complete)


def view_of(disk: SpoolDisk, user_id: str, subject: str) -> View:
    """Return the waiting files of ``user_id`` (empty: the token's subject)."""
    view = View()
    for entry in disk.entries():
        if entry.document["user_id"] != user_id:
            continue
        if entry.document["kind"] == "upload":
            file = waiting_file(entry, user_id or subject)
            view.waiting.pop(view.keys.get(file.key, ""), None)
            view.waiting[file.id] = Waiting(file, entry.folder / BODY)
            view.keys[file.key] = file.id
            view.gone.discard(file.key)
        elif entry.document["message"] == batch_pb2.DeleteFileRequest.DESCRIPTOR.name:
            _delete(view, batch_pb2.DeleteFileRequest.FromString(raw_request(entry)))
            view.gone |= set(entry.document["names"])
    return view


def resolved(disk: SpoolDisk, name: FileName) -> FileName:
    """Return the service's name for a file that was sent from the spool; other names unchanged."""
    file_id, key = id_or_key(name)
    sent = sent_file(disk, spool_id(file_id, key))
    return name if sent is None else StoredFile.from_proto(sent)


def blocks_of_body(place: Path, offset: int, length: int | None) -> Iterator[bytes]:
    """Yield a range of a waiting body. Raises RangeNotSatisfiable, and FileNotFoundError if it was sent
    meanwhile.
    """
    with place.open("rb") as body:
        size = os.fstat(body.fileno()).st_size
        start = max(0, size + offset) if offset < 0 else offset
        if start > size or (start == size and size > 0):
            raise errors.RangeNotSatisfiable(f"The file has {size} bytes.", metadata={"size": str(size)})
        body.seek(start)
        left = size - start if length is None else min(length, size - start)
        while left and (block := body.read(min(BLOCK_BYTES, left))):
            left -= len(block)
            yield block


def waiting_file(entry: Entry, owner_id: str) -> StoredFile:
    """Return the file that an upload will become, as far as it is known without the service."""
    spec = target_pb2.UploadSpec.FromString(raw_request(entry))
    kind = spec.target.WhichOneof("target") or "file"
    path = as_stored(spec.target.path.path)
    key = f"paths/{key_segment(owner_id)}/{path}" if kind == "path" else f"{PREFIX}{entry.id}"
    file = file_pb2.File(
        id=entry.id,
        owner_id=owner_id,
        key=key,
        filename=spec.filename,
        content_type=spec.content_type,
        size_bytes=entry.document["size"],
        crc32c=entry.document["crc32c"],
        metadata=spec.metadata,
        visibility=spec.visibility,
    )
    return _spooled(file, _FAMILIES.get(kind, Family.UNKNOWN), made_at(entry))


def unseen_file(file: file_pb2.File) -> StoredFile:
    """Return a file of which only the name is known, because the service has not been asked."""
    return _spooled(file, Family.UNKNOWN, None)


def _spooled(file: file_pb2.File, family: Family, made: datetime | None) -> StoredFile:
    return StoredFile(
        id=file.id,
        owner_id=file.owner_id,
        family=family,
        key=file.key,
        filename=file.filename,
        content_type=file.content_type,
        size=file.size_bytes,
        etag="",
        generation=0,
        version_id="",
        crc32c=file.crc32c,
        metadata=dict(file.metadata),
        visibility=Visibility.PUBLIC if file.visibility == file_pb2.VISIBILITY_PUBLIC else Visibility.PRIVATE,
        created_at=made,
        updated_at=made,
        spooled=True,
    )


def _delete(view: View, call: batch_pb2.DeleteFileRequest) -> None:
    file_id = spool_id(call.file_id, call.key)
    file_id = file_id if file_id in view.waiting else view.keys.get(call.key, "")
    found = view.waiting.pop(file_id, None)
    if found is not None:
        del view.keys[found.file.key]
        view.gone |= {found.file.id, found.file.key}
    view.gone |= {call.file_id, call.key} - {""}


def made_at(entry: Entry) -> datetime:
    """Return when the operation was added to the spool."""
    return datetime.fromtimestamp(entry.document["created"], UTC)


def raw_request(entry: Entry) -> bytes:
    """Return the serialized request of an entry."""
    return base64.b64decode(entry.document["request"])
