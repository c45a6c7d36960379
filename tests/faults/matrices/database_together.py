"""Faults that all transactions meet together: Postgres restarts while each is at its COMMIT, and a pool
without free connections.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from tests.faults.cell import Cell
from tests.faults.client import new_upload, put, repeat_until_stored
from tests.faults.matrices.database_errors import DatabaseErrors
from tests.faults.matrices.database_scenes import STATEMENTS, Met, Scene
from tests.faults.s3_faults import hold_reply
from tests.faults.s3_proxy import Rule
from tests.faults.seed import dice
from tests.faults.tcp_proxy import Moment
from tests.stack import until

POOL: Final = 8
_HOGS: Final = 2 * POOL
_HELD_SECONDS: Final = 3.0
_GATHERING: Final = (2.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds of each round; the few left on a slow machine get longer ones."""
_ENDLESS: Final = 1000
_PATIENCE: Final = 60.0
_SIGNALS: Final = {"restart-fast": signal.SIGINT, "restart-immediate": signal.SIGQUIT}
_MOMENTS: Final[tuple[Moment, ...]] = ("before", "mid", "race")
#: The S3 request before a transaction: while its answer is held, the transaction waits.
_BEFORE: Final = {
    "T2": "CreateMultipartUpload",
    "T3": "UploadPart",
    "T4": "HeadObject",
    "cleaner": "DeleteObject",
}


def restarted(cell: Cell, scenes: Sequence[Scene]) -> None:
    """Restart Postgres while these requests are at their COMMIT. Requests that were not there get another
    round.
    """
    left = list(scenes)
    for seconds in _GATHERING:
        if not left:
            return
        left = _restart_once(cell, left, seconds)
    assert not left, f"never met: {[str(scene.case) for scene in left]}"


def _restart_once(cell: Cell, scenes: Sequence[Scene], seconds: float) -> list[Scene]:
    """Restart once. Returns the requests that were not at their COMMIT within ``seconds``."""
    over = threading.Event()
    with ThreadPoolExecutor(len(scenes)) as pool:
        list(pool.map(lambda scene: scene.prepare(), scenes))
        rules = {
            scene.owner: cell.postgres.arm(
                STATEMENTS[scene.case.transaction],
                at=dice("moment", *scene.case).choice(_MOMENTS),
                owner=scene.owner,
                then=lambda: waits(over),
            )
            for scene in scenes
        }
        acts = [pool.submit(scene.act) for scene in scenes]
        gathered = threading.Event()
        timer = threading.Timer(seconds, gathered.set)
        timer.start()
        until(
            "each is at its COMMIT",
            lambda: gathered.is_set() or all(rule.reached.is_set() for rule in rules.values()),
        )
        timer.cancel()
        cell.kill_postgres(_SIGNALS[scenes[0].case.fault])
        over.set()
        for act in acts:
            act.result()
        list(pool.map(lambda scene: scene.end(), scenes))
    repeat_until_stored(cell, new_upload(f"after-{scenes[0].owner}"))  # none meets a fault while all fails
    missed = [scene for scene in scenes if not rules[scene.owner].reached.is_set()]
    for rule in rules.values():
        cell.postgres.retire(rule)
    for scene in missed:
        scene.once_more()
    return missed


def without_connections(cell: Cell, errors: DatabaseErrors, scenes: Sequence[Scene]) -> None:
    """Occupy all connections when each of these needs one."""
    with ThreadPoolExecutor(len(scenes)) as pool:
        list(pool.map(lambda scene: scene.prepare(), scenes))
        held = {scene.owner: _hold(cell, scene) for scene in scenes if scene.case.transaction in _BEFORE}
        early = [pool.submit(scene.act) for scene in scenes if scene.owner in held]
        for rule in held.values():
            rule.wait_reached()
        with _hogs(cell, errors) as all_taken:
            until("all connections are taken", all_taken, pause=0.02)
            for rule in held.values():
                cell.s3.retire(rule)
            late = [pool.submit(scene.act) for scene in scenes if scene.owner not in held]
            for act in (*early, *late):
                act.result()
        list(pool.map(lambda scene: scene.end(), scenes))


def waits(event: threading.Event) -> None:
    """Hold a transaction at its COMMIT."""
    assert event.wait(_PATIENCE), "Postgres was not restarted"


def _hold(cell: Cell, scene: Scene) -> Rule:
    nth = 2 if scene.case.transaction == "T3" else 1
    by_put = scene.case.transaction == "T4" and scene.is_small
    operation = "PutObject" if by_put else _BEFORE[scene.case.transaction]
    return cell.s3.arm(operation, hold_reply, key=f"/{scene.owner}/", nth=nth)


@contextmanager
def _hogs(cell: Cell, errors: DatabaseErrors) -> Iterator[Met]:
    """Users with long transactions, one after the other. Yields a function that returns whether they have
    every connection of the pool.
    """
    over = threading.Event()
    armed = {
        owner: errors.arm(owner, "T1", seconds=_HELD_SECONDS, times=_ENDLESS)
        for owner in (f"hog-{number:02}" for number in range(_HOGS))
    }

    def hog(owner: str) -> None:
        while not over.is_set():
            assert put(cell, new_upload(owner)).status in {0, 201, 409, 503, 504}

    with ThreadPoolExecutor(_HOGS) as pool:
        hogs = [pool.submit(hog, owner) for owner in armed]
        try:
            yield lambda: errors.sleeping() >= POOL
        finally:
            over.set()
            for number in armed.values():
                errors.retire(number)
        for one in hogs:
            one.result()
