"""SIGKILL of each process at each transition of a session: no acknowledged byte is lost, the offset never
goes back, the client's next tries succeed, and nothing is left behind.

First every point is reached, one after the other, each in the story of a new owner. After everything has
drained, the leftovers of each are checked: one drain for all. A test that runs alone plays the story it
needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import pytest

from strongroom.errors import StrongroomError, UploadNotFound
from strongroom.storage.v1.direct_pb2 import CompleteUploadRequest, SignUploadRequest
from strongroom.storage.v1.upload_pb2 import ConcatenateUploadsRequest
from tests.faults.cell import Cell, Service
from tests.faults.sessions.client import MIB, PART, TRANSIENT, SessionClient, body_of, same
from tests.faults.sessions.test_direct import send_parts
from tests.faults.test_points import registered
from tests.stack import until

BODY = body_of(2 * PART + 3 * MIB + 5)
Step = Callable[[], object]


class Story(ABC):
    """The actions of one client; each of the ``steps`` may be repeated until it succeeds."""

    def __init__(self, cell: Cell) -> None:
        self.client = SessionClient(cell)
        self.upload = ""
        self.seen = 0

    @abstractmethod
    def steps(self) -> Iterator[Step]:
        """In order."""

    def step(self, step: Step) -> bool:
        """Whether it succeeded."""
        try:
            step()
        except StrongroomError as error:
            if error.code not in TRANSIENT and error.http_status != 503:
                raise
            return False
        return True


class Writing(Story):
    """Create, and write in pieces of 3 MiB until finished."""

    body = BODY
    declares = False

    def steps(self) -> Iterator[Step]:
        yield self._create
        if self.declares:
            yield lambda: self.client.declare(self.upload, len(self.body))
        while not self._finished():
            yield self._write
        yield self._verify

    def _create(self) -> None:
        size = None if self.declares else len(self.body)
        self.upload = self.client.create(size, request_id="once").upload_id

    def _finished(self) -> bool:
        return self.seen == len(self.body)

    def _write(self) -> None:
        found = self.client.get(self.upload)
        assert found.persisted_size >= self.seen, "the offset went back"
        self.seen = found.persisted_size
        if not found.finished:
            assert self.seen < len(self.body)
            self.client.write(self.upload, self.seen, self.body[self.seen : self.seen + 3 * MIB])

    def _verify(self) -> None:
        assert same(self.client.stored(self.client.get(self.upload)), self.body)


class Small(Writing):
    """Less than a part."""

    body = BODY[: 4 * MIB]


class Declaring(Writing):
    """An upload whose length is declared later."""

    declares = True


class Cancelling(Writing):
    """Cancelled half-way."""

    def steps(self) -> Iterator[Step]:
        yield self._create
        yield self._write
        yield self._cancel

    def _cancel(self) -> None:
        try:
            self.client.cancel(self.upload)
        except UploadNotFound:
            return  # an earlier try's answer was lost


class Joining(Story):
    """Two pieces, concatenated inside the store."""

    def steps(self) -> Iterator[Step]:
        self.pieces = ["", ""]
        for at in (0, 1):
            yield lambda at=at: self._piece(at)  # type: ignore[misc]
        yield self._join

    def _piece(self, at: int) -> None:
        self.pieces[at] = self.client.create(PART, partial=True, request_id=f"piece-{at}").upload_id
        found = self.client.get(self.pieces[at])
        if not found.finished:
            self.client.write(self.pieces[at], found.persisted_size, BODY[:PART][found.persisted_size :])

    def _join(self) -> None:
        request = ConcatenateUploadsRequest(
            spec=self.client.spec(None, request_id="whole"), upload_ids=self.pieces
        )
        made = self.client.call("ConcatenateUploads", request)
        assert same(self.client.stored(made.session), BODY[:PART] * 2)
        for piece in self.pieces:
            self.client.cancel(piece)


class Direct(Story):
    """Parts directly to the store."""

    def steps(self) -> Iterator[Step]:
        yield self._sign
        yield self._complete

    def _sign(self) -> None:
        body = BODY[: 2 * PART]
        request = SignUploadRequest(spec=self.client.spec(len(body), request_id="once"))
        signed = self.client.call("SignUpload", request)
        self.upload = signed.upload_id
        send_parts(signed, body)

    def _complete(self) -> None:
        self.client.call("CompleteUpload", CompleteUploadRequest(upload_id=self.upload))
        assert same(self.client.stored(self.client.get(self.upload)), BODY[: 2 * PART])


STORIES: dict[type[Story], tuple[str, ...]] = {
    Writing: (
        "storage.session.opened",
        "storage.session.acquired",
        "storage.session.after_create",
        "storage.session.part_applied",
        "storage.session.before_record",
        "storage.session.after_record",
        "storage.session.segment.before_put",
        "storage.session.segment.after_put",
        "storage.session.before_finish",
        "storage.session.last_part_recorded",
        "storage.session.before_t3",
        "storage.session.before_t4",
        "metadata.session.opened",
        "metadata.session.acquire.before_commit",
        "metadata.session.acquire.after_commit",
        "metadata.session.record.before_commit",
        "metadata.session.record.after_commit",
    ),
    Small: ("storage.session.before_t4", "storage.session.before_finish"),
    Declaring: ("metadata.session.declare.after_commit",),
    Cancelling: (
        "metadata.session.end.before_commit",
        "metadata.session.end.after_commit",
        "metadata.session.sweep.before_commit",
    ),
    Joining: ("storage.session.piece_copied",),
    Direct: ("storage.session.direct.after_create", "storage.session.direct.after_complete"),
}
#: First the points that housekeeping may reach for others: they begin while it has nothing to do.
CASES = sorted(
    ((story, point) for story, points in STORIES.items() for point in points),
    key=lambda case: case[0] is not Cancelling,
)
by_case = pytest.mark.parametrize(
    ("story", "point"), CASES, ids=[f"{story.__name__}-{point}" for story, point in CASES]
)
_told: dict[tuple[type[Story], str], Story] = {}


@by_case
def test_a_kill_loses_nothing(cell: Cell, story: type[Story], point: str) -> None:
    _tell(cell, story, point)
    assert (story, point) in _told


@by_case
def test_a_kill_leaves_nothing_behind(cell: Cell, story: type[Story], point: str) -> None:
    told = _tell(cell, story, point)
    _drain(cell)
    assert cell.checker.damage_of(told.client.owner) == []


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    _drain(cell)
    assert cell.checker.problems() == []


def _tell(cell: Cell, story: type[Story], point: str) -> Story:
    """The story in which the point is reached; it is played to its end, once."""
    if (story, point) in _told:
        return _told[story, point]
    if story is Cancelling:
        cell.run()
        until("nothing is under way", cell.checker.is_drained)
    service: Service = "storage" if point.startswith("storage") else "metadata"
    cell.run(**{service: f"{point}=kill"})
    told = story(cell)
    for step in told.steps():
        while not told.step(step):
            if not cell.is_alive(service):
                cell.run()
    until(f"{point} is reached", lambda: not cell.is_alive(service) or not _armed(cell, service))
    _told[story, point] = told
    return told


def _drain(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    cell.checker.wait_no_open_uploads()  # an unrecorded one waits for the sweep


def _armed(cell: Cell, service: Service) -> bool:
    """Whether the current process was started to die."""
    return cell.failpoints_of(service) != ""


def test_every_failpoint_of_sessions_has_a_story() -> None:
    told = {point for points in STORIES.values() for point in points}
    assert {name for name in registered() if name.split(".")[1] == "session"} == told
