"""Random requests with random deaths and faults: the model allows everything that the service shows."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

from tests.faults.campaigns.conformance import Graph, Walk
from tests.faults.campaigns.library_walks import LibraryWalk
from tests.faults.campaigns.share_walks import ShareWalk
from tests.faults.campaigns.tus_walks import TusWalk
from tests.faults.campaigns.version_walks import VersionWalk
from tests.faults.campaigns.walking import ModelWalk
from tests.faults.cell import Cell
from tests.faults.matrices.waves import wave
from tests.faults.points import BREAKS, KILLS
from tests.faults.seed import ROUNDS, SEED
from tests.faults.tcp_proxy import Moment
from tests.model.state import Rules

WALKS: Final = 6
STEPS: Final = 4
USERS: Final[Mapping[str, Callable[[Cell, str], ModelWalk[Any]]]] = {
    "library": LibraryWalk,
    "neighbour": LibraryWalk,
    "versions": VersionWalk,
    "shares": ShareWalk,
    "tus": TusWalk,
}
REQUESTS: Final = 5
# as deployed: longer than any stall of a busy machine
CELL_ENV: Final = {"STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600"}
GRAPHS: Final = {True: Graph(Rules()), False: Graph(Rules(small=True))}
#: In a sorted order: a round depends only on its seed, not on that of the run.
_KILLS: Final = tuple(sorted(KILLS, key=str))
_BREAKS: Final = tuple(sorted((case for case in BREAKS if not case.release and not case.kills), key=str))


def trouble(cell: Cell, chance: random.Random) -> str:
    """Nothing, a process that will die at a point, or a failing S3 request."""
    choice = chance.random()
    if choice < 0.45:
        kill = chance.choice(_KILLS)
        cell.run(**{kill.service: f"{kill.failpoint}=kill"})
        return str(kill)
    cell.run()
    if choice < 0.85:
        case = chance.choice(_BREAKS)
        cell.s3.arm(case.operation, case.fault, nth=chance.randint(1, 2))
        return str(case)
    return "nothing"


def step(walk: Walk, chance: random.Random) -> None:
    """One request of this walk, or none."""
    if walk.may_delete and chance.random() < 0.4:
        walk.delete()
    elif walk.may_try:
        walk.put()


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_what_the_service_shows_the_model_allows(cell: Cell, seed: int) -> None:
    chance = random.Random(seed)
    cell.run()
    sizes = [at % 3 == 0 for at in range(WALKS)]
    walks = [Walk(cell, GRAPHS[large], f"walk-{seed}-{at}", large) for at, large in enumerate(sizes)]
    troubles = []
    for _ in range(STEPS):
        troubles.append(trouble(cell, chance))
        choices = {walk.owner: random.Random(chance.random()) for walk in walks}
        by_owner = {walk.owner: walk for walk in walks}
        done = wave(by_owner, lambda owner: step(by_owner[owner], choices[owner]))  # noqa: B023
        assert {owner: problems for owner, problems in done.items() if problems} == {}
        assert [wrong for walk in walks if (wrong := walk.compare())] == []
        cell.s3.disarm()
        cell.run()
    for walk in walks:
        walk.settle()
    end_tombstones(cell)
    assert [wrong for walk in walks if (wrong := walk.compare())] == []
    assert cell.checker.problems(*(walk.upload for walk in walks)) == []
    states = [sum(map(len, walk.possible.values())) for walk in walks]
    sys.stdout.write(f"seed {seed}: {', '.join(troubles)}; {states} states fit\n")


def end_tombstones(cell: Cell) -> None:
    """End the tombstones' time after every process has died and the store has answered all requests, as in
    ``chaos``, and after a sweep: it aborts uploads at shared keys that nobody has recorded, while the key
    still has a row, for which a tombstone's usual time is long enough.
    """
    cell.checker.wait_removed()
    cell.stop_services()
    cell.s3.wait_left()
    cell.run()
    cell.checker.wait_no_open_uploads()
    cell.checker.end_tombstones()


def accident(cell: Cell, walks: Sequence[ModelWalk[Any]], chance: random.Random) -> str:
    """Like ``trouble``; or a process dies in a deletion, or some owner's next COMMIT breaks."""
    choice = chance.random()
    if choice < 0.6:
        return trouble(cell, chance)
    if choice < 0.7:
        point = f"metadata.d1.{chance.choice(('before', 'after'))}_commit"
        cell.run(metadata=f"{point}=kill")
        return point
    cell.run()
    for walk in walks:
        moment: Moment = chance.choice(("before", "mid", "race", "after"))
        cell.postgres.arm("", at=moment, owner=walk.owner)
    return "commits"


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_what_a_user_finds_the_models_allow(cell: Cell, seed: int) -> None:
    chance = random.Random(f"library {seed}")
    cell.run()
    walks = [make(cell, f"{name}-{seed}") for name, make in USERS.items()]
    by_owner = {walk.owner: walk for walk in walks}
    troubles = []
    for _ in range(REQUESTS):
        troubles.append(accident(cell, walks, chance))
        dice = {walk.owner: random.Random(chance.random()) for walk in walks}
        done = wave(by_owner, lambda owner: by_owner[owner].step(dice[owner]))  # noqa: B023
        broken = [problem for problems in done.values() for problem in problems]
        assert not broken, "\n".join(broken)
        cell.s3.disarm()
        cell.postgres.disarm()
        cell.run()
        assert [wrong for walk in walks if (wrong := walk.compare())] == []
    for walk in walks:
        walk.settle()
    end_tombstones(cell)
    assert [problem for walk in walks for problem in walk.damage()] == []
    told = [f"{walk.owner}: {'; '.join(walk.history)}" for walk in walks]
    sys.stdout.write("\n".join([f"users, seed {seed}: {', '.join(troubles)}", *told, ""]))
