"""Return values of ``client.restores``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from strongroom.families import family_name
from strongroom.storage.v1 import restore_pb2 as pb

#: S3 key and version id; the latter is empty if the bucket keeps no versions.
ObjectName: TypeAlias = tuple[str, str]

_KINDS: Final = {
    pb.STRAY_KIND_STORED_LATER: "stored_later",
    pb.STRAY_KIND_REMOVED_LATER: "removed_later",
    pb.STRAY_KIND_UNFINISHED: "unfinished",
    pb.STRAY_KIND_HIDDEN: "hidden",
}
_OUTCOMES: Final = {
    pb.OBJECT_OUTCOME_KEPT: "kept",
    pb.OBJECT_OUTCOME_KNOWN: "known",
    pb.OBJECT_OUTCOME_DROPPED: "dropped",
    pb.OBJECT_OUTCOME_REFUSED: "refused",
}


@dataclass(frozen=True, slots=True)
class Stray:
    """An object that no committed row names. ``kind``: ``stored_later``, ``removed_later``, ``unfinished``;
    or ``hidden``, a file that was deleted later and is back.

    ``id``: of the upload that wrote it. ``left_out``: fields of the file that the object's metadata does not
    contain. ``project``: the slug, for a project's file, whose ``filename`` is its path.
    """

    kind: str
    id: str
    name: ObjectName
    size_bytes: int
    owner_id: str
    family: str
    filename: str
    project: str
    stored_at: datetime
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StrayResult:
    """The result for one object: ``kept``, ``known`` (it was a file already), ``dropped``, ``refused`` with
    ``reason`` and ``message``. ``file_id``: the file that it became.
    """

    name: ObjectName
    outcome: str
    file_id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class UnlinkedRow:
    """A committed row whose bytes are not in the bucket; ``found``: what is there instead, in words."""

    key: str
    owner_id: str
    blob_id: str
    size_bytes: int
    found: str


@dataclass(frozen=True, slots=True)
class RelinkPage:
    """A page of keys, up to ``cursor`` (empty: the last page): of the committed ``rows``, ``right`` ones
    matched the bucket, ``relinked`` ones were corrected, and ``unlinked`` ones have no object.
    """

    rows: int
    right: int
    relinked: int
    unlinked: tuple[UnlinkedRow, ...]
    cursor: str


def to_relink_page(page: pb.RelinkObjectsResponse) -> RelinkPage:
    """From the protobuf."""
    unlinked = tuple(
        UnlinkedRow(row.key, row.owner_id, row.blob_id, row.size_bytes, row.found) for row in page.unlinked
    )
    return RelinkPage(page.rows, page.right, page.relinked, unlinked, page.cursor)


def to_stray(stray: pb.StrayObject) -> Stray:
    """From the protobuf."""
    said = stray.description
    family = family_name(said.family) if said.family else ""
    return Stray(
        kind=_KINDS.get(stray.kind, "unspecified"),
        id=said.attempt_id,
        name=(stray.name.key, stray.name.version_id),
        size_bytes=stray.size_bytes,
        owner_id=said.owner_id,
        family=family,
        filename=said.filename,
        project=said.project_slug,
        stored_at=said.store_time.ToDatetime(UTC),
        left_out=tuple(said.left_out),
    )


def to_stray_result(result: pb.ObjectResult) -> StrayResult:
    """From the protobuf."""
    return StrayResult(
        name=(result.name.key, result.name.version_id),
        outcome=_OUTCOMES.get(result.outcome, "unspecified"),
        file_id=result.file.id,
        reason=result.reason,
        message=result.message,
    )
