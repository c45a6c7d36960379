"""Moves of files: which of the two files a refusal names, and repeats of a move after either file has
changed.
"""

from __future__ import annotations

from typing import Any, Final, cast

import google_crc32c
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.metadata.files import FileName
from storage_service.uploads.mover import Mover
from strongroom.errors import FileNotFound, InvalidField, PreconditionFailed, RetentionHeld, StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import DeleteFileRequest
from strongroom.metadata.v1.retention_pb2 import Hold, Retention
from strongroom.metadata.v1.target_pb2 import MovedFile, PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.batch_pb2 import MoveFileRequest

COPIED_AT: Final = 100


class Files:
    """A source at generation 3, and its copy.

    ``copying``, ``deleting``: errors raised by these. ``body``: bytes of the copy when it was made. ``now``:
    bytes of the copy now; None: it is gone. ``source``: bytes of the source; None: it is gone. ``answered``:
    the copy is the answer of an earlier try. ``created``, ``updated``: times of the source. ``at_once``: the
    commit of the copy also deletes the source, as in every metadata_service except that of the previous
    release. ``key``, ``retention``: of the source. ``copy``: id of the copy.
    """

    def __init__(
        self,
        *,
        copying: Exception | None = None,
        deleting: StrongroomError | None = None,
        body: bytes = b"abc",
        now: bytes | None = b"abc",
        source: bytes | None = b"abc",
        answered: bool = False,
        created: float = 10,
        updated: float = 10,
        at_once: bool = False,
        key: str = "uploads/ada/a",
        retention: Retention | None = None,
        copy: str = "copy",
    ) -> None:
        self.key, self.retention, self.copy = key, retention or Retention(), copy
        self.at_once, self.moves = at_once, MovedFile()
        self.copying, self.deleting, self.body = copying, deleting, body
        self.created, self.updated = _time(created), _time(updated)
        self.now, self.source, self.is_answered = now, source, answered
        self.deletions: list[DeleteFileRequest] = []

    @property
    def deleted(self) -> int:
        return len(self.deletions)

    async def get(self, name: FileName, _: str) -> File:
        if name.file_id == "copy":
            if self.now is None:
                raise FileNotFound("gone")
            return _file("copy", self.now)
        if self.source is None:
            raise FileNotFound("gone")
        times = {"create_time": self.created, "update_time": self.updated}
        more = {"key": self.key, "retention": self.retention}
        return _file("source", self.source, generation=3, **more, **times)

    async def read_source(self, file_id: str, user_id: str) -> File:
        return await self.get(FileName(file_id=file_id), user_id)

    async def answered(self, _request: object) -> File | None:
        return _file(self.copy, self.body) if self.is_answered else None

    async def copied(self, _request: object, _source: File, moves: MovedFile) -> File:
        if self.copying is not None:
            raise self.copying
        self.moves = moves
        if self.at_once:
            self.source = None
        return _file("copy", self.body)

    async def delete_file(self, request: DeleteFileRequest) -> None:
        if self.deleting is not None:
            raise self.deleting
        self.deletions.append(request)


def _time(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))


def _file(file_id: str, body: bytes, **more: Any) -> File:
    told = {"update_time": Timestamp(seconds=COPIED_AT)} | more
    return File(id=file_id, size_bytes=len(body), crc32c=google_crc32c.value(body), **told)


def moved(files: Files, generation: int | None = None) -> Any:
    request = MoveFileRequest(
        source_file_id="source",
        spec=UploadSpec(user_id="ada", target=UploadTarget(path=PathTarget(path="b"))),
    )
    if generation is not None:
        request.if_generation_match = generation
    return Mover(*cast("Any", (files, files, files))).move(request)


@pytest.mark.parametrize("generation", [2, 4, 0])
async def test_a_source_at_another_generation(generation: int) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        await moved(Files(), generation)
    assert refused.value.metadata == {"actual": "3", "of": "source"}


@pytest.mark.parametrize("generation", [None, 3])
async def test_a_source_that_changes_while_it_is_copied(generation: int | None) -> None:
    changed = PreconditionFailed("The file is at generation 4", metadata={"actual": "4"})
    with pytest.raises(PreconditionFailed) as refused:
        await moved(Files(deleting=changed), generation)
    assert refused.value.metadata == {"actual": "4", "of": "source"}
    assert "so does its copy" in str(refused.value)


async def test_a_target_that_is_taken_is_not_the_source() -> None:
    taken = PreconditionFailed("The file exists already", metadata={"actual": "1"})
    with pytest.raises(PreconditionFailed) as refused:
        await moved(Files(copying=taken), 3)
    assert refused.value.metadata == {"actual": "1"}


async def test_a_source_that_somebody_else_deletes() -> None:
    assert (await moved(Files(deleting=FileNotFound("gone")), 3)).id == "copy"


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b"abd", "now": b"abd"},
        {"body": b"ab", "now": b"ab"},
        {"body": b"", "now": b""},
        {"updated": COPIED_AT + 1},
        {"updated": COPIED_AT + 0.5},
    ],
    ids=["other bytes", "shorter", "empty", "written since", "within the same second"],
)
async def test_the_copy_of_an_earlier_request_costs_no_newer_content(changed: dict[str, Any]) -> None:
    """The first move was interrupted, the source replaced, and the move repeated under its idempotency key.

    The copy still has the old content.
    """
    files = Files(answered=True, **changed)
    with pytest.raises(PreconditionFailed) as refused:
        await moved(files)
    assert refused.value.metadata == {"actual": "3", "of": "source"}
    assert files.deleted == 0
    same = Files(answered=True, updated=COPIED_AT)
    assert (await moved(same)).id == "copy"
    gone = DeleteFileRequest(file_id="source", user_id="ada", if_generation_match=3)
    assert same.deletions == [gone]


@pytest.mark.parametrize("generation", [None, 3, 7])
@pytest.mark.parametrize("source", [b"abc", b"another"])
async def test_a_repeat_touches_nothing_that_came_after_the_move(
    source: bytes, generation: int | None
) -> None:
    """The first move was complete, and a file was stored at the old place since: the repeat gets the first
    answer.
    """
    later = COPIED_AT + 1
    files = Files(answered=True, source=source, created=later, updated=later)
    assert (await moved(files, generation)).id == "copy"
    assert files.deleted == 0


@pytest.mark.parametrize("now", [None, b"another", b""])
async def test_an_earlier_requests_copy_that_is_no_longer_there_costs_no_source(now: bytes | None) -> None:
    """The first move was killed before it deleted the source, and its copy was deleted or replaced since.

    A repeat under its idempotency key gets the old answer, so the source has the only remaining bytes.
    """
    files = Files(answered=True, now=now)
    with pytest.raises(PreconditionFailed) as refused:
        await moved(files)
    assert refused.value.metadata == {"actual": "3", "of": "source"}
    assert files.deleted == 0


@pytest.mark.parametrize("now", [b"abc", None, b"other"], ids=["there", "deleted since", "replaced since"])
async def test_a_repeat_of_a_move_that_is_over_gets_its_answer(now: bytes | None) -> None:
    files = Files(source=None, answered=True, now=now)
    assert (await moved(files)).id == "copy"
    assert files.deleted == 0


async def test_a_source_that_is_not_there() -> None:
    with pytest.raises(FileNotFound):
        await moved(Files(source=None))


async def test_the_commit_of_the_copy_is_asked_to_delete_what_was_copied() -> None:
    files = Files(at_once=True)
    assert (await moved(files)).id == "copy"
    assert (files.moves.file_id, files.moves.generation, files.deleted) == ("source", 3, 0)


async def test_a_file_that_was_moved_onto_itself_is_kept() -> None:
    files = Files(answered=True, copy="source")
    assert (await moved(files)).id == "source"
    assert files.deleted == 0


@pytest.mark.parametrize(
    ("retention", "told"),
    [
        (Retention(hold=Hold()), {"hold": "true"}),
        (Retention(keep_until_time=_time(4_000_000_000)), {"until": "2096-10-02T07:06:40Z"}),
    ],
    ids=["held", "kept"],
)
async def test_what_may_not_be_deleted_is_not_copied_either(
    retention: Retention, told: dict[str, str]
) -> None:
    with pytest.raises(RetentionHeld) as refused:
        await moved(Files(retention=retention, copying=AssertionError("copied")))
    assert refused.value.metadata == told


async def test_what_was_kept_until_now_is_moved() -> None:
    assert (await moved(Files(retention=Retention(keep_until_time=_time(1)), at_once=True))).id == "copy"


async def test_its_own_path_is_no_place_to_move_to_but_one_spelt_like_a_key_is() -> None:
    with pytest.raises(InvalidField):
        await moved(Files(key="paths/ada/b"))
    assert (await moved(Files(key="uploads/ada/b", at_once=True))).id == "copy"
