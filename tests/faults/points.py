"""The crash points, and where they are in the code.

Points: U upload, P single put, V replace, D delete, A cleaner, Z frozen process and clocks, X duplicates, R
reconciler. ``matrices/crash_points.json`` lists all. Each ``Kill`` names the process that dies and its
failpoint; ``test_points.py`` compares this table with the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.faults.cell import Service
from tests.faults.checker import Expected
from tests.faults.s3_faults import (
    apply_late,
    drop,
    drop_reply,
    duplicate,
    hold,
    hold_reply,
    refuse,
)
from tests.faults.s3_proxy import Fault
from tests.faults.seed import dice


@dataclass(frozen=True)
class Kill:
    """SIGKILL ``service`` at ``failpoint`` during an upload; afterwards the file must be as ``holds``
    says.
    """

    point: str
    service: Service
    failpoint: str
    holds: Expected
    large: bool = True

    def __str__(self) -> str:
        return f"{self.point}-{self.failpoint}"


_KILLS: Final = (
    Kill("U00", "gateway", "gateway.upload.headers_read", "hidden"),
    Kill("U01", "storage", "storage.t1.before", "hidden"),
    Kill("U02", "metadata", "metadata.t1.before_commit", "hidden"),
    Kill("U03", "metadata", "metadata.t1.after_commit", "hidden"),
    Kill("U04", "storage", "storage.t1.after", "hidden"),
    Kill("U04", "storage", "storage.s1.before", "hidden"),
    Kill("U04", "storage", "storage.put.before", "hidden", large=False),
    Kill("U07", "storage", "storage.s1.after", "hidden"),
    Kill("U08", "metadata", "metadata.t2.before_commit", "hidden"),
    Kill("U09", "metadata", "metadata.t2.after_commit", "hidden"),
    Kill("U10", "storage", "s3.part.mid_body", "hidden"),
    Kill("U11", "storage", "storage.s2.part_applied", "hidden"),
    Kill("U12", "storage", "storage.s2.between_parts", "hidden"),
    Kill("U15", "gateway", "gateway.upload.before_finish", "hidden"),
    Kill("U16", "storage", "storage.t3.before", "hidden"),
    Kill("U17", "metadata", "metadata.t3.before_commit", "hidden"),
    Kill("U18", "metadata", "metadata.t3.after_commit", "either"),
    Kill("U19", "storage", "storage.s3.before_complete", "either"),
    Kill("U23", "storage", "storage.s3.after_complete", "either"),
    Kill("U25", "storage", "storage.s4.after_head", "either"),
    Kill("U25", "storage", "storage.t4.before", "either"),
    Kill("U26", "metadata", "metadata.t4.before_commit", "either"),
    Kill("U28", "metadata", "metadata.t4.after_commit", "visible"),
    Kill("U29", "storage", "storage.t4.after", "visible"),
    Kill("U30", "gateway", "gateway.upload.before_reply", "visible"),
    Kill("P01", "storage", "s3.put.mid_body", "hidden", large=False),
    Kill("P03", "storage", "storage.put.after", "either", large=False),
)
#: By process, so that the one that died is armed next; completions are interrupted last.
KILLS: Final = tuple(
    sorted(dice("kills").sample(_KILLS, len(_KILLS)), key=lambda kill: (kill.holds == "either", kill.service))
)


#: The process dies in a transaction of several clients' uploads: acknowledged ones are visible, nothing is
#: partial.
GROUP_KILLS: Final = (
    Kill("U02", "metadata", "metadata.t1.before_commit", "hidden", large=False),
    Kill("U03", "metadata", "metadata.t1.group.after_commit", "hidden", large=False),
    Kill("U26", "metadata", "metadata.t4.before_commit", "either", large=False),
    Kill("U28", "metadata", "metadata.t4.group.after_commit", "visible", large=False),
)


@dataclass(frozen=True)
class Break:
    """An upload's S3 request goes wrong: the ``nth`` of ``operation`` (None: each) meets ``fault``.

    ``kills``: storage_service is killed right after that. ``release``: what the fault holds back is released
    when the client has its ``answer``, or when the attempt is ``gone`` (a tombstone).
    """

    point: str
    operation: str
    fault: Fault
    holds: Expected
    large: bool = True
    nth: int | None = 1
    kills: bool = False
    release: Literal["", "answer", "gone"] = ""
    name: str = ""

    def __str__(self) -> str:
        fault = self.name or self.fault.__name__
        every = "" if self.nth else "-each"
        late = f"-until-{self.release}" if self.release else ""
        return f"{self.point}-{self.operation}-{fault}{every}{late}{'-kill' if self.kills else ''}"


def _refused(point: str, operation: str, status: int, code: str, holds: Expected, **more: Any) -> Break:
    return Break(point, operation, refuse(status, code), holds, name=f"{status}-{code}", **more)


_UPLOADS: Final = (
    # the writer's create arrives only after the writer's death, before or after the cleaner's work
    Break("U05", "CreateMultipartUpload", apply_late, "hidden", nth=None, kills=True, release="answer"),
    Break("U05", "CreateMultipartUpload", apply_late, "hidden", nth=None, kills=True, release="gone"),
    Break("U06", "CreateMultipartUpload", hold_reply, "hidden", kills=True, release="answer"),
    Break("U11", "UploadPart", hold_reply, "hidden", kills=True, release="answer"),
    Break("U20", "CompleteMultipartUpload", apply_late, "either", release="answer"),
    Break("U20", "CompleteMultipartUpload", apply_late, "either", nth=None, release="answer"),
    Break("U20", "CompleteMultipartUpload", apply_late, "either", nth=None, kills=True, release="answer"),
    Break("U21", "CompleteMultipartUpload", drop_reply, "visible"),
    Break("U21", "CompleteMultipartUpload", drop_reply, "either", nth=None),
    Break("U21", "CompleteMultipartUpload", hold_reply, "visible", kills=True, release="answer"),
    _refused("U22", "CompleteMultipartUpload", 200, "InternalError", "visible"),
    _refused("U22", "CompleteMultipartUpload", 200, "InternalError", "either", nth=None),
    _refused("U24", "HeadObject", 500, "InternalError", "visible"),
    _refused("U24", "HeadObject", 500, "InternalError", "either", nth=None),
    _refused("U24", "HeadObject", 404, "NoSuchKey", "either"),
    Break("U24", "HeadObject", drop, "visible"),
    Break("U24", "HeadObject", drop, "either", nth=None),
    Break("P02", "PutObject", drop_reply, "visible", large=False),
    Break("P02", "PutObject", drop_reply, "either", large=False, nth=None),
    Break("P04", "PutObject", apply_late, "hidden", large=False, nth=None, release="answer"),
    Break("P04", "PutObject", apply_late, "hidden", large=False, nth=None, release="gone"),
)

BREAKS: Final = tuple(dice("breaks").sample(_UPLOADS, len(_UPLOADS)))


@dataclass(frozen=True)
class Clean:
    """SIGKILL ``service`` at ``failpoint`` while the cleaner works on what ``left`` has left.

    ``given up``: the client cancelled a multipart upload. ``expired``: storage_service died in the middle of
    one. ``completing``: it died when all bytes were in S3. ``deleted``: a file was deleted.
    """

    point: str
    service: Service
    failpoint: str
    left: Literal["given up", "expired", "completing", "deleted"]

    def __str__(self) -> str:
        return f"{self.point}-{self.failpoint}-{self.left.replace(' ', '-')}"


CLEANS: Final = (
    Clean("A01", "metadata", "metadata.expire.before_commit", "expired"),
    Clean("A01", "metadata", "metadata.abandon.before_commit", "given up"),
    Clean("A02", "metadata", "metadata.expire.after_commit", "expired"),
    Clean("A02", "metadata", "metadata.abandon.after_commit", "given up"),
    Clean("A02", "storage", "storage.cleaner.before_abort", "given up"),
    Clean("A07", "storage", "storage.cleaner.before_gone", "given up"),
    Clean("A07", "metadata", "metadata.finish_removal.before_commit", "given up"),
    Clean("A07", "metadata", "metadata.finish_removal.after_commit", "given up"),
    Clean("A08", "storage", "storage.cleaner.before_purge", "given up"),
    Clean("A09", "storage", "storage.s3.after_complete", "completing"),
    Clean("A10", "storage", "storage.cleaner.before_t4", "completing"),
    Clean("D03", "storage", "storage.cleaner.before_delete", "deleted"),
    Clean("D05", "storage", "storage.cleaner.after_delete", "deleted"),
    Clean("D05", "storage", "storage.cleaner.before_gone", "deleted"),
    Clean("D06", "storage", "storage.cleaner.before_purge", "deleted"),
)


@dataclass(frozen=True)
class Late:
    """A request by the cleaner, or one that reaches S3 after the cleaner's work.

    ``given up``: the client cancels while the request is held; it continues when the attempt is a tombstone.
    """

    point: str
    operation: str
    fault: Fault
    left: Literal["given up", "deleted"]

    def __str__(self) -> str:
        return f"{self.point}-{self.operation}-{self.fault.__name__}"


LATE: Final = (
    Late("A03", "AbortMultipartUpload", drop_reply, "given up"),
    Late("A03", "AbortMultipartUpload", drop, "given up"),
    Late("A04", "UploadPart", hold, "given up"),
    Late("A05", "CreateMultipartUpload", hold, "given up"),
    Late("A06", "CompleteMultipartUpload", hold, "given up"),
    Late("P04", "PutObject", hold, "given up"),
    Late("D04", "DeleteObject", drop_reply, "deleted"),
    Late("D04", "DeleteObject", drop, "deleted"),
    Late("D04", "DeleteObject", duplicate, "deleted"),
)


@dataclass(frozen=True)
class Freeze:
    """SIGSTOP storage_service at ``failpoint`` for longer than its lease, while another one's cleaner works.

    It continues when the cleaner has finished (``purged``), or when the attempt is a tombstone (``gone``).
    """

    point: str
    failpoint: str
    large: bool = True
    until: Literal["purged", "gone"] = "purged"

    def __str__(self) -> str:
        return f"{self.point}-{self.failpoint}-{self.until}"


FREEZES: Final = (
    Freeze("Z01", "storage.t3.before"),
    Freeze("Z02", "storage.s3.before_complete"),
    Freeze("Z03", "storage.s3.after_complete"),
    Freeze("Z04", "storage.s4.after_head"),
    Freeze("Z05", "storage.s2.between_parts"),
    # the zombie's request creates something new: the tombstone must still exist
    Freeze("Z05", "storage.s1.before", until="gone"),
    Freeze("Z05", "storage.put.before", large=False, until="gone"),
)


#: Points with a test of their own: its module and name.
TESTS: Final = {
    "U13": "test_client_points.test_disconnect_in_the_last_part",
    "U14": "test_client_points.test_cancel_at_a_part_boundary",
    "U27": "test_commit_points.test_postgres_stops_while_t4_commits",
    "U31": "test_client_points.test_the_answer_is_lost",
    "D01": "test_delete_points.test_metadata_dies_before_the_commit",
    "D02": "test_delete_points.test_metadata_dies_after_the_commit",
    "D07": "test_delete_points.test_the_answer_is_lost",
    "D08": "test_delete_points.test_a_deletion_meets_a_replacement",
    "V01": "test_replace_points.test_metadata_dies_before_the_commit",
    "V02": "test_replace_points.test_metadata_dies_after_the_commit",
    "V03": "test_replace_points.test_the_cleaner_dies_before_the_old_object_goes",
    "V04": "test_replace_points.test_a_reader_never_sees_a_splice",
    "A11": "test_cleaner_points.test_two_cleaners_on_one_row",
    "X01": "test_repeat_points.test_identical_requests_at_once",
    "X02": "test_repeat_points.test_same_key_for_another_request",
    "X03": "test_repeat_points.test_repetition_after_the_commit",
    "X04": "test_repeat_points.test_repetition_after_the_deletion",
    "X05": "test_repeat_points.test_repetition_while_the_first_is_running",
    "X06": "test_repeat_points.test_a_repeated_create_leaves_no_upload",
    "X07": "test_repeat_points.test_same_key_of_another_user",
    "X08": "test_repeat_points.test_same_key_after_its_time",
    "Z06": "test_clock_points.test_a_clock_that_is_an_hour_off",
    "Z07": "test_clock_points.test_metadata_is_frozen_in_t4",
    "Z08": "test_clock_points.test_postgres_is_frozen",
    "Z09": "test_clock_points.test_the_store_is_frozen_in_complete",
    "R01": "verifying.test_reconciler_points.test_killed_in_a_listing_it_goes_on_and_finds_what_is_there",
    "R02": "verifying.test_repair_kills.test_the_repair_dies_at_the_point",
    "R03": "verifying.test_reconciler_points.test_an_upload_that_commits_meanwhile_is_no_finding",
    "R04": "verifying.test_reconciler_points.test_a_deletion_that_commits_before_the_look_is_no_loss",
    "R05": "verifying.test_reconciler_points.test_a_row_that_is_purged_meanwhile_is_no_finding",
    "R06": "verifying.test_reconciler_points.test_a_listing_that_breaks_finds_nothing_and_removes_nothing",
    "R07": "verifying.test_reconciler_points.test_two_at_once_come_to_the_same_end",
    "R08": "verifying.test_reconciler_points.test_neighbours_of_our_prefixes_are_somebody_elses",
    "R09": "verifying.test_reconciler_points.test_a_bad_cutoff_is_refused",
    "R14": "verifying.test_reconciler_points.test_what_is_younger_than_the_grace_is_kept",
    "R18": "verifying.test_reconciler_points.test_neighbours_of_our_prefixes_are_somebody_elses",
    "R19": "verifying.test_repair_kills.test_a_foreign_bucket_and_a_flood_of_orphans_are_refused"
    "_and_nothing_is_touched",
}

#: Planted points (``verifying/planting.py``), found by ``verifying/test_planted.py``.
PLANTED: Final = {
    "R10": "object_deleted",
    "R11": "bit_flipped_on_disk",
    "R12": "object_truncated",
    "R13": "alien_object",
    "R15": "upload_without_a_row",
    "R16": "object_deleted_of_a_project",
    "R17": "usage_changed",
    "R20": "delete_marker",
}
