"""A round of a random campaign: clients at work, troubles at random moments, and the checker at the end.

A round depends only on its seed, and on how long things take.
"""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from tests.faults.campaigns.fleet import Fleet
from tests.faults.campaigns.trouble import TROUBLES
from tests.faults.checker import Upload
from tests.faults.client import LARGE, SMALL, delete, put, read_as_told, repeat_until_stored
from tests.faults.matrices.store_scenes import read_somehow
from tests.stack import until

CLIENTS: Final = 8
STEPS: Final = 5
_MOST_TROUBLES: Final = 5
_GOOD: Final = frozenset({0, 201, 409, 410, 422, 503, 504})
"""0: the connection broke. 410, 422: the store gave a wrong answer (test_store_cells)."""


@dataclass
class Round:
    """One round: the actions of clients and the faults, and the violations found at its end."""

    seed: int
    troubles: list[str] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    requests: int = 0

    def __str__(self) -> str:
        acked = sum(bool(upload.acked) for upload in self.uploads)
        deleted = sum(upload.deleted for upload in self.uploads)
        return (
            f"seed {self.seed}: {self.requests} requests, {acked} of {len(self.uploads)} uploads stored,"
            f" {deleted} deleted; {', '.join(self.troubles)}; {len(self.problems)} problems"
        )


def play(fleet: Fleet, seed: int) -> Round:
    """Play one round; the fleet is whole before and after it."""
    chance = random.Random(seed)
    this = Round(seed)
    fleet.launch()
    fleet.wait_whole()
    walks = [_Client(fleet, this, seed, number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        ends = [pool.submit(walk.go) for walk in walks]
        _make_trouble(fleet, this, chance, walks)
        for end in ends:
            end.result()
    _mend(fleet)
    _look(fleet, this, walks)
    return this


def _make_trouble(fleet: Fleet, this: Round, chance: random.Random, walks: list[_Client]) -> None:
    """Make troubles one after the other, each after some more steps of the clients."""
    whole = CLIENTS * STEPS
    moments = sorted(chance.randrange(whole) for _ in range(chance.randint(2, _MOST_TROUBLES)))
    for moment in moments:
        until(
            "the clients go on",
            lambda moment=moment: sum(walk.steps for walk in walks) >= moment,  # type: ignore[misc]
        )
        this.troubles.append(chance.choice(TROUBLES)(fleet, chance))


def _mend(fleet: Fleet) -> None:
    """End all troubles, and deliver late requests."""
    for name in fleet.names:
        fleet.signal(name, signal.SIGCONT)
    fleet.s3.disarm()
    fleet.postgres.disarm()
    fleet.launch()
    fleet.wait_whole()


def _look(fleet: Fleet, this: Round, walks: list[_Client]) -> None:
    """The checker's result, before and after each client has repeated requests without an answer."""
    _let_the_hour_pass(fleet)
    unsure = {id(upload) for walk in walks for upload in walk.doubtful}
    this.problems += fleet.checker.problems(*(one for one in this.uploads if id(one) not in unsure))
    for walk in walks:
        walk.ask_again()
    _let_the_hour_pass(fleet)
    this.problems += fleet.checker.problems(*this.uploads)
    for upload in this.uploads:
        answer = read_as_told(fleet, upload.owner, upload.acked)
        if upload.deleted and answer[0] != 404:
            this.problems.append(f"{upload.request_id}: deleted, and read with {answer[0]}")
        if not upload.deleted and answer != (200, upload.body):
            said = answer[1] if answer[0] >= 400 else b"other bytes"
            this.problems.append(f"{upload.request_id}: read with {answer[0]}: {said[:300]!r}")


def _let_the_hour_pass(fleet: Fleet) -> None:
    """End the tombstones' time. They must outlive any request in flight: first every process is killed and
    the store answers what was sent. No stall of the machine takes longer than that.
    """
    fleet.checker.wait_removed(120)
    fleet.stop_services()
    fleet.s3.wait_left()
    fleet.launch()
    fleet.wait_whole()
    fleet.checker.end_tombstones(120)


class _Client:
    """One user, with one action after the other. ``steps``: how many so far. ``doubtful``: deletions without
    an answer.
    """

    def __init__(self, fleet: Fleet, this: Round, seed: int, number: int) -> None:
        self._fleet, self._round = fleet, this
        self._chance = random.Random(f"{seed}/{number}")
        self._owner = f"chaos-{seed}-{number}"
        self._uploads: list[Upload] = []
        self.doubtful: list[Upload] = []
        self.steps = 0

    def go(self) -> None:
        """Run all steps."""
        for _ in range(STEPS):
            try:
                self._step()
            finally:
                self.steps += 1

    def _step(self) -> None:
        unsure = {id(upload) for upload in self.doubtful}
        stored = [upload for upload in self._uploads if upload.acked and not upload.deleted]
        known = [upload for upload in stored if id(upload) not in unsure]
        unknown = [upload for upload in self._uploads if not upload.acked]
        choice = self._chance.random()
        if unknown and choice < 0.4:
            self._put(self._chance.choice(unknown))
        elif known and choice < 0.55:
            self._delete(self._chance.choice(known))
        elif known and choice < 0.7:
            self._read(self._chance.choice(known))
        else:
            self._put(self._new())

    def _new(self) -> Upload:
        large = self._chance.random() < 0.3
        size = (LARGE if large else SMALL) + self._chance.randrange(1000)
        upload = Upload(self._owner, f"{self._owner}-{len(self._uploads)}", self._chance.randbytes(size))
        self._uploads.append(upload)
        self._round.uploads.append(upload)
        return upload

    def _put(self, upload: Upload) -> None:
        self._round.requests += 1
        answer = put(self._fleet, upload)
        if answer.status not in _GOOD and not self._is_of_a_wrong_clock(answer.status):
            self._round.problems.append(f"{upload.request_id}: {answer}")
        if answer.status == 503 and not answer.retry_after:
            self._round.problems.append(f"{upload.request_id}: 503 without Retry-After")

    def _is_of_a_wrong_clock(self, status: int) -> bool:
        """A gateway whose clock is an hour ahead considers every token expired."""
        ahead = [trouble for trouble in self._round.troubles if trouble.endswith("ahead")]
        return status == 401 and any(trouble.startswith(("gateway", "strongroom")) for trouble in ahead)

    def _delete(self, upload: Upload) -> None:
        self._round.requests += 1
        status = delete(self._fleet, self._owner, upload.acked)
        if status in {200, 404}:
            upload.deleted = True
        else:
            self.doubtful.append(upload)

    def _read(self, upload: Upload) -> None:
        self._round.requests += 1
        status, body = read_somehow(self._fleet, self._owner, upload.acked)
        if status == 404 or (body is not None and body != upload.body):
            self._round.problems.append(f"{upload.request_id}: read with {status} and other bytes")

    def ask_again(self) -> None:
        """Repeat uploads and deletions without an answer."""
        for upload in self.doubtful:
            assert delete(self._fleet, self._owner, upload.acked) in {200, 404}
            upload.deleted = True
        for upload in self._uploads:
            if not upload.acked:
                repeat_until_stored(self._fleet, upload)
