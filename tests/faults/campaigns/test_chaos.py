"""Random campaigns: clients at work during kills, stops, faults of S3 and Postgres, late and repeated
requests and wrong clocks, over two replicas of each service. `make chaos ROUNDS=100 SEED=7` runs more.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from devstack import infra
from tests.faults.campaigns.chaos import play
from tests.faults.campaigns.fleet import Fleet
from tests.faults.campaigns.rolling import Log, roll
from tests.faults.client import read
from tests.faults.seed import ROUNDS, SEED
from tests.forks.client import ForkServer
from tests.servers import own_postgres


@pytest.fixture(scope="module")
def fleet(
    servers: infra.Infra, forks: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """With a separate Postgres, which restarts."""
    folder = tmp_path_factory.mktemp("chaos")
    with own_postgres(servers) as own:
        running = Fleet(own, forks, "chaos", folder)
        yield running
        running.stop()


_TERM, _KILL = signal.SIGTERM, signal.SIGKILL


@pytest.mark.parametrize("signals", ((_TERM, _KILL), (_KILL, _TERM), (_KILL,), (_TERM,))[:ROUNDS])
def test_replicas_go_in_turn_and_nobody_repeats_twice(
    fleet: Fleet, signals: tuple[signal.Signals, ...]
) -> None:
    """One replica of each service is restarted, the other killed; in further rounds the other way round, all
    killed, and all restarted.
    """
    log = Log()
    fleet.launch()
    fleet.wait_whole()
    roll(fleet, signals, log)
    names = ", ".join(one.name for one in signals)
    sys.stdout.write(f"{names}: {log.requests} requests, {len(log.repeated)} repeated\n")
    assert log.failed == []
    assert [upload.request_id for upload in log.uploads if not upload.acked] == []
    for upload in log.uploads:
        status, body = read(fleet, upload.owner, upload.acked)
        assert (status, body == upload.body) == ((404, False) if upload.deleted else (200, True)), upload


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_no_promise_is_broken(fleet: Fleet, seed: int) -> None:
    done = play(fleet, seed)
    sys.stdout.write(f"{done}\n")
    assert done.problems == [], str(done)
