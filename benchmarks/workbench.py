"""The tools that every case uses: sizes, the sink, the system under test, the naive app."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import grpc_load, http_load, processes, sinkserver, stack
from benchmarks.naive import server as naive_server
from benchmarks.payload import GIB, MIB
from benchmarks.project_tree import WHOLE, Shape
from benchmarks.samples import Row, Sample
from benchmarks.targets import Check, check


@dataclass(frozen=True)
class Scale:
    """The amount of work. `memory`: body sizes; `list_rows`: row counts, small and large; `session_body`: the
    size of resumable uploads; `attacks`: those of the case fairness, empty for all.
    """

    rounds: int = 5
    body: int = GIB
    warm_up: int = 64 * MIB
    memory: tuple[int, ...] = (MIB, 64 * MIB, GIB, 4 * GIB)
    several: int = 8
    loop_seconds: float = 5.0
    list_rows: tuple[int, int] = (1_000, 1_000_000)
    session_body: int = 192 * MIB
    project: Shape = WHOLE
    attacks: tuple[str, ...] = ()


QUICK = Scale(
    rounds=1,
    body=16 * MIB,
    warm_up=MIB,
    memory=(MIB, 16 * MIB),
    several=2,
    loop_seconds=0.5,
    list_rows=(60, 600),
    session_body=16 * MIB,
    project=Shape(files=60, size=4096),
)


class Workbench:
    """Starts what a case requests, once, and stops everything at the end."""

    def __init__(
        self, scale: Scale, folder: Path, say: Callable[[str], None], form: stack.Form = "three"
    ) -> None:
        self.scale = scale
        self.form = form
        self.folder = folder
        self.say = say
        self._things = ExitStack()
        self._stack_things = ExitStack()
        self._sink: sinkserver.Sink | None = None
        self._stack: stack.Stack | None = None
        self._naive: naive_server.Naive | None = None
        self.user = f"bench-{uuid.uuid4().hex[:8]}"

    @property
    def sink(self) -> sinkserver.Sink:
        """The sink, the S3 endpoint of all subjects; started on first use."""
        if self._sink is None:
            self._sink = self._things.enter_context(sinkserver.running())
        return self._sink

    @property
    def stack(self) -> stack.Stack:
        """The system under test; started on first use."""
        if self._stack is None:
            self._stack = self._stack_things.enter_context(
                stack.running(self.folder, self.sink, self._formed())
            )
        return self._stack

    @property
    def naive(self) -> naive_server.Naive:
        """The naive app, on the stack's Postgres; started on first use."""
        if self._naive is None:
            told = self.stack
            self._naive = self._stack_things.enter_context(
                naive_server.running(told.dsn, self.sink.endpoint, told.jwt_secret, self.folder)
            )
        return self._naive

    @property
    def token(self) -> str:
        """A token that the stack and the naive app accept."""
        return self.stack.token(self.user)

    def fresh_stack(self) -> None:
        """Stop the services; the next request starts them on the same data."""
        self._stack_things.close()
        self._stack = self._naive = None

    @contextmanager
    def sinking_stack(self, env: Mapping[str, str], *, limited: bool = False) -> Iterator[None]:
        """Inside the block, `stack` has `env` in its environment, and its own data.

        `limited`: with the caps and rates of an installation.
        """
        self.fresh_stack()
        running = stack.running(self.folder / "sinking", self.sink, self._formed(env), limited=limited)
        self._stack = self._stack_things.enter_context(running)
        try:
            yield
        finally:
            self.fresh_stack()

    @contextmanager
    def keeping_stack(self, env: Mapping[str, str]) -> Iterator[None]:
        """Inside the block, `stack` has an object store that keeps objects, and its own data."""
        self.fresh_stack()
        running = stack.running(self.folder / "keeping", None, self._formed(env))
        self._stack = self._stack_things.enter_context(running)
        try:
            yield
        finally:
            self.fresh_stack()

    def close(self) -> None:
        """Stop everything."""
        self._stack_things.close()
        self._things.close()

    def through_gateway(self, amount: float, action: Callable[[], object]) -> Sample:
        """Watch the stack's processes during `action`, which uses HTTP."""
        return self.measure(self._watched(), amount, action)

    def through_grpc(self, amount: float, action: Callable[[], object]) -> Sample:
        """Watch the stack's processes without the gateway's."""
        watched = self._watched()
        watched.pop("gateway", None)
        return self.measure(watched, amount, action)

    def through_naive(self, amount: float, action: Callable[[], object]) -> Sample:
        """Watch the naive app and its database."""
        return self.measure(
            {"naive": self.naive.pid, "postgres": self.stack.pids["postgres"]}, amount, action
        )

    def ours(self, row: Row) -> float:
        """CPU seconds per unit of all services together."""
        return row.cpu_of(*self.stack.services)

    def check(self, figure: str, value: float) -> Check:
        """`value` against this form's target of this name."""
        return check(figure, value, self.form)

    def _formed(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"STRONGROOM_FORM": self.form, **(env or {})}

    def _watched(self) -> dict[str, int]:
        return {**self.stack.services, "postgres": self.stack.pids["postgres"]}

    @staticmethod
    def measure(pids: Mapping[str, int], amount: float, action: Callable[[], object]) -> Sample:
        """Watch these processes, by name, during `action`."""
        with processes.watched(pids) as usage:
            began = perf_counter()
            done = action()
            seconds = perf_counter() - began
        usage.peak.pop("postgres", None)  # its processes share memory, so their sum is meaningless
        if isinstance(done, http_load.Timings):
            return Sample(
                seconds=done.seconds,
                amount=len(done.latencies),
                cpu=usage.cpu,
                peak=usage.peak,
                latency=done.p50,
            )
        return Sample(seconds=seconds, amount=amount, cpu=usage.cpu, peak=usage.peak)

    @contextmanager
    def grpc(self) -> Iterator[grpc_load.Storage]:
        """A client of storage_service."""
        client = grpc_load.Storage(self.stack.storage_address, self.token)
        try:
            yield client
        finally:
            client.close()

    def upload_http(self, size: int, token: str = "") -> str:
        """Upload through the gateway as the user of `token` (default: the bench's). Returns the key."""
        url = f"{self.stack.url}/api/v1/s3/upload"
        return str(http_load.upload(url, token or self.token, size)["key"])

    def upload_naive(self, size: int) -> str:
        """Upload to the naive app. Returns the key."""
        return str(http_load.upload(f"{self.naive.url}/files", self.token, size)["key"])

    def file_url(self, key: str) -> str:
        """The gateway's URL of a file."""
        return f"{self.stack.url}/api/v1/s3/file/{key}"

    def repeat(self, url: str, request: bytes, success: int, clients: int) -> Callable[[], http_load.Timings]:
        """A closed loop with this scale's duration."""
        return partial(
            http_load.closed_loop,
            url,
            request,
            success=success,
            clients=clients,
            seconds=self.scale.loop_seconds,
        )
