"""Conversion of operations to documents on disk, and back."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.message import Message

from strongroom import errors
from strongroom.client.project_trees import Tree, TreeFile
from strongroom.client.sources import PathSource
from strongroom.client.spooling.disk import Entry, SpoolDisk
from strongroom.client.spooling.operations import (
    BODY,
    PREFIX,
    ArchiveOperation,
    Call,
    CallOperation,
    ImportOperation,
    Operation,
    TreeOperation,
    UploadOperation,
)
from strongroom.metadata.v1 import file_pb2, target_pb2
from strongroom.storage.v1 import batch_pb2, direct_pb2, project_pb2

#: Possible answers of the service, by message name.
ANSWERS: Final[Mapping[str, type[Message]]] = {
    kind.DESCRIPTOR.name: kind
    for kind in (
        file_pb2.File,
        project_pb2.SaveProjectResponse,
        project_pb2.SaveProjectArchiveResponse,
        project_pb2.RollbackProjectResponse,
        project_pb2.DeleteProjectResponse,
        batch_pb2.DeleteFileResponse,
    )
}
_CALLS: Final[Mapping[str, type[Call]]] = {
    kind.DESCRIPTOR.name: kind
    for kind in (
        batch_pb2.DeleteFileRequest,
        project_pb2.DeleteProjectRequest,
        project_pb2.RollbackProjectRequest,
    )
}


def encoded(message: Message) -> str:
    """Return a message in the form used in documents."""
    return base64.b64encode(message.SerializeToString()).decode()


def restored(entry: Entry, disk: SpoolDisk) -> Operation:
    """Return the operation that an entry contains. Names from the spool are replaced by the service's.

    Raises FileNotFound if a file it names was never sent, ValueError if a later release has written it.
    """
    document = entry.document
    raw = base64.b64decode(document["request"])
    match document["kind"]:
        case "upload":
            return UploadOperation(target_pb2.UploadSpec.FromString(raw), PathSource(entry.folder / BODY))
        case "save":
            spec = project_pb2.SaveProjectSpec.FromString(raw)
            return TreeOperation(spec, Tree(tuple(tree_of(entry)), ()), tuple(document["removed"]))
        case "archive":
            spec = project_pb2.SaveProjectSpec.FromString(raw)
            return ArchiveOperation(spec, PathSource(entry.folder / BODY))
        case "import":
            return ImportOperation(direct_pb2.ImportFromUrlRequest.FromString(raw))
        case "call" if document["message"] in _CALLS:
            call = _CALLS[document["message"]]()
            call.ParseFromString(raw)
            if isinstance(call, batch_pb2.DeleteFileRequest):
                _rename(call, disk)
            return CallOperation(call)
    raise ValueError(f"this release knows no operation {document['kind']!r}; send it with the newer one")


def tree_of(entry: Entry) -> Iterator[TreeFile]:
    """Yield the files of a kept save."""
    for number, file in enumerate(entry.document["files"], 1):
        place = entry.folder / f"file-{number}"
        yield TreeFile(file["path"], place, file["size"], bytes.fromhex(file["sha256"]), file["executable"])


def spool_id(file_id: str, key: str) -> str:
    """Return the id of the operation that a file is named by; empty if it isn't."""
    return key.removeprefix(PREFIX) if key.startswith(PREFIX) else file_id


def sent_file(disk: SpoolDisk, id: str) -> file_pb2.File | None:  # noqa: A002
    """Return the file that an operation has become, or None."""
    outcome = disk.outcome_of(id) if id and "/" not in id else None
    if outcome is None or outcome["message"] != file_pb2.File.DESCRIPTOR.name:
        return None
    return file_pb2.File.FromString(base64.b64decode(outcome["response"]))


def _rename(call: batch_pb2.DeleteFileRequest, disk: SpoolDisk) -> None:
    file = sent_file(disk, spool_id(call.file_id, call.key))
    if file is not None:
        call.file_id = file.id  # of the two names only one can be set; the other is cleared
    elif call.key.startswith(PREFIX):
        raise errors.FileNotFound("the upload that was to be deleted never came to the service")
