"""Which connection makes room for another one, and who is refused."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any, cast

from gateway.server.connection_table import ConnectionTable

ADA, BOB, PROXY = "192.0.2.1", "192.0.2.2", "10.0.0.1"


class Connection:
    """A connection, idle unless ``busy``; it is its own transport and metric."""

    def __init__(self, *, busy: bool = False) -> None:
        self.busy, self.closed = busy, False
        self.address_key = ""
        self.connections: set[Connection] = {self}
        self.transport = self

    def is_idle(self) -> bool:
        return not self.busy

    def close(self) -> None:
        self.closed = True


class Metrics:
    """Counts the idle connections that were closed."""

    def __init__(self) -> None:
        self.cut: Counter[str] = Counter()
        self.cut_off = self

    def labels(self, reason: str) -> Metrics:
        self.cut[reason] += 1
        return self

    def inc(self) -> None:
        """See prometheus_client.Counter."""


def table(most: int, per_address: int) -> tuple[ConnectionTable, Metrics]:
    metrics = Metrics()
    trusted = [ipaddress.ip_network(f"{PROXY}/32")]
    return ConnectionTable(most, per_address, trusted, cast("Any", metrics)), metrics


def test_the_address_that_has_most_makes_room_with_its_oldest_idle_one() -> None:
    connections, metrics = table(5, 0)
    ada, bob = [Connection(busy=not n) for n in range(3)], [Connection() for _ in range(2)]
    for one in bob:
        assert connections.enter(one, BOB)
    for one in ada:
        assert connections.enter(one, ADA)
    assert connections.enter(Connection(), BOB)
    assert [one.closed for one in (*ada, *bob)] == [False, True, False, False, False]
    assert ada[1].connections == set()
    assert metrics.cut == {"idle": 1}


def test_an_address_with_too_many_loses_an_idle_one_or_is_refused() -> None:
    connections, _ = table(10, 2)
    busy, idle = Connection(busy=True), Connection()
    assert connections.enter(busy, ADA)
    assert connections.enter(idle, ADA)
    assert connections.enter(Connection(busy=True), ADA)
    assert (busy.closed, idle.closed) == (False, True)
    assert not connections.enter(Connection(), ADA)
    assert connections.enter(Connection(), BOB)


def test_a_trusted_proxy_has_as_many_as_it_likes() -> None:
    connections, _ = table(10, 1)
    assert all(connections.enter(Connection(busy=True), PROXY) for _ in range(3))


def test_who_leaves_twice_makes_room_once() -> None:
    connections, _ = table(2, 0)
    first, idle = Connection(), Connection()
    for one in (first, idle):
        connections.enter(one, ADA)
    for _ in range(2):
        connections.leave(first)
    connections.enter(Connection(busy=True), BOB)
    assert not idle.closed
    connections.enter(Connection(busy=True), BOB)
    assert idle.closed
