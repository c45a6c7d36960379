"""Troubles during a round of a campaign, each once and at a random moment."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from typing import Final

from tests.faults.campaigns.fleet import Fleet
from tests.faults.matrices.catalogue import STORE_CELLS
from tests.faults.matrices.database_scenes import STATEMENTS
from tests.faults.matrices.store_faults import FAULTS
from tests.faults.points import GROUP_KILLS, KILLS
from tests.faults.s3_faults import apply_late, duplicate
from tests.faults.tcp_proxy import Moment

_MOMENTS: Final[tuple[Moment, ...]] = ("before", "mid", "race", "after", "slow")
#: In a sorted order: a round depends only on its seed, not on that of the run.
_POINTS: Final = tuple(sorted((*KILLS, *GROUP_KILLS), key=str))
_SECONDS_AHEAD: Final = (-3600.0, -200.0, 200.0, 3600.0)
_LATE: Final = ("CreateMultipartUpload", "CompleteMultipartUpload", "PutObject", "UploadPart")
#: Not used: wrong answers of the store about a stored object would be the loss that is looked for, and the
#: second version from a repeated PutObject stays until the file is deleted.
_NOT_HERE: Final = frozenset(
    {"wrong-etag", "wrong-length", "404-NoSuchBucket", "page-missing", "duplicate-page", "unordered"}
)
CELLS: Final = tuple(
    cell
    for cell in STORE_CELLS
    if cell.fault not in _NOT_HERE and cell != ("PutObject", "duplicate-delivery")
)


def kill(fleet: Fleet, chance: random.Random) -> str:
    """SIGKILL one process, which is restarted."""
    name = chance.choice(fleet.names)
    fleet.launch(name)
    return f"kill {name}"


def kill_at_a_point(fleet: Fleet, chance: random.Random) -> str:
    """Kill one process as soon as it reaches a crash point."""
    case = chance.choice(_POINTS)
    role = case.service if fleet.form == "three" else fleet.names[0].rpartition("-")[0]
    name = f"{role}-{chance.choice((1, 2))}"
    fleet.launch(name, f"{case.failpoint}=kill@{chance.randint(1, 3)}")
    return f"{name} dies at {case.failpoint}"


def freeze(fleet: Fleet, chance: random.Random) -> str:
    """SIGSTOP one process for less or more than a lease. It ends by itself: clients wait for a frozen gateway
    without a limit, so no later step of theirs would end it.
    """
    name, seconds = chance.choice(fleet.names), chance.uniform(1.0, 12.0)
    fleet.signal(name, signal.SIGSTOP)
    waking = threading.Timer(seconds, fleet.signal, (name, signal.SIGCONT))
    waking.daemon = True
    waking.start()
    return f"freeze {name} for {seconds:.0f} s"


def set_the_clock(fleet: Fleet, chance: random.Random) -> str:
    """Restart one process with a wrong clock."""
    name, ahead = chance.choice(fleet.names), chance.choice(_SECONDS_AHEAD)
    fleet.launch(name, ahead=ahead)
    return f"{name} is {ahead:+.0f} s ahead"


def break_a_request(fleet: Fleet, chance: random.Random) -> str:
    """One S3 request meets one fault."""
    cell, nth = chance.choice(CELLS), chance.randint(1, 3)
    operation = "ListObjectVersions" if cell.operation == "ListObjectsV2" else cell.operation
    fleet.s3.arm(operation, FAULTS[cell.fault], nth=nth)
    return f"{cell} at the {nth}."


def deliver_late(fleet: Fleet, chance: random.Random) -> str:
    """One S3 request arrives after its sender has given up, at the end of the round."""
    operation = chance.choice(_LATE)
    fleet.s3.arm(operation, apply_late, nth=chance.randint(1, 3))
    return f"{operation} late"


def deliver_twice(fleet: Fleet, chance: random.Random) -> str:
    """One S3 request arrives twice."""
    operation = chance.choice(("UploadPart", "CompleteMultipartUpload", "DeleteObject"))
    fleet.s3.arm(operation, duplicate, nth=chance.randint(1, 3))
    return f"{operation} twice"


def cut_a_commit(fleet: Fleet, chance: random.Random) -> str:
    """The connection to Postgres breaks around a COMMIT, or the COMMIT is slow."""
    transaction, at = chance.choice(list(STATEMENTS)), chance.choice(_MOMENTS)
    fleet.postgres.arm(STATEMENTS[transaction], at=at, seconds=3.0)
    return f"{transaction} cut {at}"


def too_many_connections(fleet: Fleet, chance: random.Random) -> str:
    """Every connection to Postgres breaks, and the next ones are refused."""
    fleet.postgres.turn_away(chance.randint(1, 8))
    fleet.postgres.drop_all()
    return "no connections"


def restart_postgres(fleet: Fleet, chance: random.Random) -> str:
    """Restart fast, or immediately."""
    number = chance.choice((signal.SIGINT, signal.SIGQUIT))
    fleet.kill_postgres(number)
    return f"Postgres {number.name}"


Trouble = Callable[[Fleet, random.Random], str]
TROUBLES: Final[tuple[Trouble, ...]] = (
    kill,
    kill,
    kill_at_a_point,
    kill_at_a_point,
    freeze,
    set_the_clock,
    break_a_request,
    break_a_request,
    break_a_request,
    deliver_late,
    deliver_twice,
    cut_a_commit,
    cut_a_commit,
    too_many_connections,
    restart_postgres,
)
