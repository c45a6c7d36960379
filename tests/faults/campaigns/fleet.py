"""Two replicas of each service with one database and one bucket; in form "one", two processes with all
three.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from devstack import health
from devstack.environment import ALL, Addresses
from devstack.infra import Infra
from devstack.ports import HOST
from tests.faults.cell import SERVICES, Cell, _Process
from tests.faults.seed import dice
from tests.forks.client import ForkServer
from tests.stack import until

REPLICAS: Final = (1, 2)
_LONG_ENOUGH: Final = {
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600",
    "STRONGROOM_UPLOAD_LEASE_SECONDS": "5",
}
"""The default grace of tombstones, longer than any stall: requests are held back until a round ends, and the
store may be slow on a busy machine. ``Checker.end_tombstones`` ends that hour. Leases are half the default:
if the machine stalls for one, live writers are taken for dead.
"""


class Fleet(Cell):
    """``launch()`` starts what does not run. ``url`` is either gateway, as from a load balancer."""

    def __init__(self, infra: Infra, forks: ForkServer, name: str, folder: Path) -> None:
        super().__init__(infra, forks, name, folder, _LONG_ENOUGH)
        self._balancer = dice("balancer")
        self._at = {
            f"{service}-{number}": f"{HOST}:{self._ports.get(f'{service}-{number}')}"
            for service in SERVICES
            for number in REPLICAS
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each process."""
        roles: Iterable[str] = (ALL,) if self.form == "one" else SERVICES
        return tuple(f"{role}-{number}" for role in roles for number in REPLICAS)

    @property
    def url(self) -> str:
        return f"http://{self._at[f'gateway-{self._balancer.choice(REPLICAS)}']}"

    @property
    def urls(self) -> tuple[str, ...]:
        """Both gateways."""
        return tuple(f"http://{self._at[f'gateway-{number}']}" for number in REPLICAS)

    def target(self, service: str) -> str:
        """Both replicas of a service, for gRPC clients."""
        return "ipv4:" + ",".join(self._at[f"{service}-{number}"] for number in REPLICAS)

    def launch(self, name: str = "", failpoints: str = "", ahead: float = 0.0) -> None:
        """Start a process with these failpoints and its clock this far ahead. Without a name: every process
        that has ended, has failpoints, or has a wrong clock.
        """
        if not name:
            for each in self.names:
                if not self.runs(each) or self._running[each].failpoints:
                    self.launch(each)
            return
        self.end(name)
        role, _, number = name.rpartition("-")
        self._clocks[role] = ahead
        told = failpoints or ("ahead" if ahead else "")
        process = self._spawn(name, role, self._values_of(role, number), failpoints)
        self._clocks.clear()
        self._running[name] = _Process(process, told)

    def runs(self, name: str) -> bool:
        """Whether it runs."""
        return name in self._running and self._running[name].alive

    def end(self, name: str) -> None:
        """SIGKILL."""
        if name in self._running:
            self._running[name].process.end()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.runs(name):
            os.kill(self._running[name].process.pid, number)

    def wait_whole(self) -> None:
        """Wait until every process serves, and each gateway reaches everything behind it."""
        for number in REPLICAS:
            gateway = f"gateway-{number}"
            until(f"{gateway} is ready", health.http_ok(f"http://{self._at[gateway]}/readyz"))
            until("it serves", health.grpc_serving(self._at[f"storage-{number}"]))
            until("it serves", health.grpc_serving(self._at[f"metadata-{number}"]))

    def _values_of(self, role: str, number: str) -> Any:
        """The settings of one process: its own address, and those of both replicas of the services that it
        calls.
        """
        places = {
            service: self._at[f"{service}-{number}"] if role in (ALL, service) else self.target(service)
            for service in SERVICES
        }
        return replace(self._values, addresses=Addresses(**places))
