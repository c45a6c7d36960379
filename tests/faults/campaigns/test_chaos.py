"""Random campaigns: clients at work beside kills, stops, faults of S3 and Postgres, late and doubled
requests, wrong clocks, over two replicas of each service. `make chaos ROUNDS=100 SEED=7` runs more of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from devstack import infra
from tests.faults.campaigns.chaos import play
from tests.faults.campaigns.fleet import Fleet
from tests.faults.seed import ROUNDS, SEED
from tests.forks.client import ForkServer


@pytest.fixture(scope="module")
def fleet(
    servers: infra.Infra, forks: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """On a Postgres of its own, which restarts."""
    folder = tmp_path_factory.mktemp("chaos")
    with infra.start(folder / "servers", servers.storage_environ()) as own:
        running = Fleet(own, forks, "chaos", folder)
        yield running
        running.stop()


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_no_promise_is_broken(fleet: Fleet, seed: int) -> None:
    done = play(fleet, seed)
    sys.stdout.write(f"{done}\n")
    assert done.problems == [], str(done)
