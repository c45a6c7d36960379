"""The kept part of a project, as sent to metadata_service."""

from __future__ import annotations

from storage_service.projects.limits import ProjectLimits
from storage_service.projects.partial import KEPT_AT_ONCE, OtherFiles
from strongroom.metadata.v1.project_pb2 import ProjectFile

LIMITS = ProjectLimits(max_file_bytes=10, max_bytes=100_000, max_files=100_000)


def tree(count: int) -> OtherFiles:
    return OtherFiles([ProjectFile(path=f"{n:05d}", size_bytes=1) for n in range(count)])


def test_a_thousand_files_are_one_part_and_none_of_them_is_named() -> None:
    others = tree(KEPT_AT_ONCE)
    others.sent("00007", 5)
    others.sent("new", 5)
    others.remove("00009")
    assert len(others.kept(LIMITS)) == KEPT_AT_ONCE - 2
    ((part, count),) = others.parts()
    assert (part.after, part.up_to, list(part.left_out), count) == (
        *("", "00999", ["00007", "00009"]),
        KEPT_AT_ONCE - 2,
    )


def test_parts_meet_and_what_keeps_nothing_is_no_part() -> None:
    others = tree(2 * KEPT_AT_ONCE + 1)
    for n in range(KEPT_AT_ONCE, 2 * KEPT_AT_ONCE):
        others.remove(f"{n:05d}")
    found = [(part.after, part.up_to, len(part.left_out), count) for part, count in others.parts()]
    assert found == [("", "00999", 0, KEPT_AT_ONCE), ("01999", "02000", 0, 1)]


def test_of_a_whole_save_nothing_is_kept() -> None:
    assert list(OtherFiles().parts()) == []
    others = tree(1)
    others.remove("00000")
    assert list(others.parts()) == []
