"""Actions of a client that cause an S3 request, by operation: one scene for all its faults."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import httpx

from tests.faults.cell import Cell
from tests.faults.checker import GONE, Expected, Upload
from tests.faults.client import LARGE, SMALL, delete, http_client, new_upload, put, read, repeat_until_stored
from tests.faults.matrices.catalogue import StoreCell
from tests.faults.matrices.store_faults import FAULTS, OTHERWISE, passes_and
from tests.faults.rpc import file_spec, send_and_cancel
from tests.faults.s3_faults import hold
from tests.faults.s3_proxy import Rule
from tests.faults.seed import SEED, dice
from tests.stack import until

#: A try without an answer is given up after 4.5 s, and all tries of a call after 9.
PATIENCE: Final = 60.0
SLOW: Final = 6.0
TRIES: Final = 8
_ANSWERS: Final = frozenset({201, 409, 503, 504})
_LIES: Final = frozenset({410, 422})
"""Also allowed if the store answers wrongly: parts are gone, or another length is stored."""


@dataclass
class Scene:
    """Faults of one kind, met by one client in the requests of one scene.

    ``each``: a fault stays until the client has its answer, or it was met twice.
    """

    cell: Cell
    cases: tuple[StoreCell, ...]
    owner: str
    each: bool = field(init=False)
    upload: Upload = field(init=False)
    holds: Expected = "either"

    def __post_init__(self) -> None:
        self._dice = dice("store", *self.cases)
        self.each = len(self.cases) == 1 and self._dice.random() < 0.5
        self._tried = 0
        if ("PutObject", "duplicate-delivery") in self.cases:
            self.cell.checker.delivered_twice.add(self.owner)
        self.another()

    def another(self) -> None:
        """Make the client's next request a new one."""
        size = SMALL if self.cases[0].operation in _SMALL else LARGE
        self.upload = new_upload(self.owner, size + self._dice.randrange(4096))
        self.upload.request_id += f"-{self._tried}"
        self._tried += 1

    def arm(self) -> dict[StoreCell, Rule]:
        """Arm each fault for the next request of its operation that names the owner."""
        return {case: self._arm(case) for case in self.cases}

    def _arm(self, case: StoreCell) -> Rule:
        operation, fault = case
        ways = [FAULTS[fault], *([OTHERWISE[case]] if case in OTHERWISE else [])]
        named = "ListObjectVersions" if operation == "ListObjectsV2" else operation
        nth = 1 if fault in _ONCE or not self.each else None
        rule = self.cell.s3.arm(named, self._dice.choice(ways), key=f"/{self.owner}/", nth=nth)
        if fault == "applied-twice-different-order":
            self.cell.s3.arm("UploadPart", passes_and(rule.release), key=f"/{self.owner}/")
        return rule

    def wait_met(self, rules: Mapping[StoreCell, Rule]) -> None:
        """Wait until each fault was met, twice if it stays. Then disarm all."""
        for case, rule in rules.items():
            rule.wait_reached()
            if rule.nth is None:
                until(f"{case} is met again", lambda rule=rule: rule.hits > 1 or self._is_done(), PATIENCE)  # type: ignore[misc]
            self.cell.s3.retire(rule)

    def _is_done(self) -> bool:
        """The store gets no more requests: only tombstones are left."""
        return all(row.state == GONE for row in self.cell.checker.unsettled(self.owner))

    def play(self) -> None:
        """Run until the client has its answer and the faults are over."""
        _PLAYS[self.cases[0].operation](self)

    def repeat(self) -> None:
        """See ``waves.Played``."""
        if self.holds == "hidden" and not self.upload.deleted:
            return  # the cleaner's requests, for which no caller waits
        before = [file.key for file in self.cell.checker.files(self.owner, self.upload.request_id)]
        key = repeat_until_stored(self.cell, self.upload)
        assert before in ([], [key])


def uploading(scene: Scene) -> None:
    """Repeat, like a client, until its requests have met every fault."""
    rules = scene.arm()
    for _ in range(TRIES):
        put(scene.cell, scene.upload)
        assert set(scene.upload.replies) <= _ANSWERS | _LIES, scene.upload.replies
        if all(rule.hits for rule in rules.values()):
            break
        if scene.upload.acked:
            scene.another()
    for case, rule in rules.items():
        scene.cell.s3.retire(rule)
        assert rule.hits, f"{case} was never met"


def giving_up(scene: Scene) -> None:
    """A client cancels after its first part."""
    scene.holds = "hidden"
    rules = scene.arm()
    held = scene.cell.s3.arm("UploadPart", hold, key=f"/{scene.owner}/", nth=2)
    send_and_cancel(scene.cell, scene.upload, file_spec(scene.upload.request_id), held.wait_reached)
    held.release()
    scene.wait_met(rules)


def deleting(scene: Scene) -> None:
    """A file is deleted; its bytes are removed later."""
    scene.holds = "hidden"
    repeat_until_stored(scene.cell, scene.upload)
    rules = scene.arm()
    assert delete(scene.cell, scene.owner, scene.upload.acked) == 200
    scene.upload.deleted = True
    scene.wait_met(rules)


def reading(scene: Scene) -> None:
    """A file is read: completely and correctly, or visibly incomplete."""
    scene.holds = "visible"
    repeat_until_stored(scene.cell, scene.upload)
    ((case, rule),) = scene.arm().items()
    released = threading.Timer(SLOW, rule.release)
    released.start()
    status, body = read_somehow(scene.cell, scene.owner, scene.upload.acked)
    released.cancel()
    scene.cell.s3.retire(rule)
    assert rule.hits, f"{case} was never met"
    assert body in (None, scene.upload.body), f"{status} with other bytes"
    assert status in (200, 500, 502, 503, 504), status
    until(
        "it can be read again",
        lambda: read(scene.cell, scene.owner, scene.upload.acked) == (200, scene.upload.body),
        PATIENCE,
    )


def sweeping(scene: Scene) -> None:
    """The sweep finds a create that came late."""
    scene.holds = "visible"
    key = repeat_until_stored(scene.cell, scene.upload)
    rules = scene.arm()
    late = scene.cell.checker.begin_upload(key)
    for rule in rules.values():
        rule.wait_reached()
        scene.cell.s3.retire(rule)
    until("the late upload is aborted", lambda: (key, late) not in scene.cell.checker.open_uploads())


def read_somehow(cell: Cell, owner: str, key: str) -> tuple[int, bytes | None]:
    """The status, and the content of a complete answer; None if it broke off or was refused."""
    with http_client(cell, owner) as http:
        try:
            reply = http.get(f"/api/v1/s3/file/{quote(key)}")
        except httpx.TransportError:
            return 200, None
    return reply.status_code, reply.content if reply.status_code == 200 else None


_PLAYS: Final[Mapping[str, Callable[[Scene], None]]] = {
    "CreateMultipartUpload": uploading,
    "UploadPart": uploading,
    "CompleteMultipartUpload": uploading,
    "HeadObject": uploading,
    "PutObject": uploading,
    "AbortMultipartUpload": giving_up,
    "ListMultipartUploads": giving_up,
    "DeleteObject": deleting,
    "ListObjectsV2": deleting,  # removals use ListObjectVersions, the listing of a versioned bucket
    "GetObject": reading,
    "ListParts": sweeping,
}
#: One client may meet the same fault in each of these.
_TOGETHER: Final = (
    ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"),
    ("AbortMultipartUpload", "ListMultipartUploads"),
    ("DeleteObject", "ListObjectsV2"),
)
_SMALL: Final = frozenset({"PutObject", "DeleteObject", "ListObjectsV2", "GetObject", "ListParts"})
#: Faults that end by themselves, or prove nothing if they never end.
_ONCE: Final = frozenset(
    {"applied-twice-different-order", "duplicate-delivery", "stale-404-then-200", "wrong-etag"}
)


def grouped(cases: Iterable[StoreCell]) -> Iterable[tuple[StoreCell, ...]]:
    """Cases that share a scene. Under half of the seeds each case has its own, and its fault may stay."""
    groups: dict[tuple[str, str], list[StoreCell]] = {}
    alone = SEED % 2 == 1
    for case in cases:
        group = next((names[0] for names in _TOGETHER if case.operation in names), case.operation)
        groups.setdefault((case.operation if alone else group, case.fault), []).append(case)
    return map(tuple, groups.values())
