"""Each replica is restarted or killed in turn, under load: a client behind a balancer repeats at most once.

A client has the addresses of both gateways, like a balancer, and uses the other one after a failure. It
retries when the answer says so (``Retry-After``), and gives up if that does not help. A killed process's
lease has to run out first: until then a repeat is told to wait (REQUEST_IN_PROGRESS), and does.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from strongroom import Client, StrongroomError
from tests.faults.campaigns.fleet import Fleet
from tests.faults.checker import Upload
from tests.faults.client import LARGE, SMALL, http_client
from tests.faults.seed import dice
from tests.stack import PATIENCE, until

_CLIENTS: Final = 2
#: Statuses after which a balancer tries another replica: there was no server, or it could not answer now.
_AWAY: Final = frozenset({502, 503, 504})
_PIECE: Final = 64 << 10
_BOUNDARY: Final = "a-boundary-that-no-body-has"
#: Steps of each client while a replica is away, and again when it is back.
_STEPS: Final = 1


@dataclass
class Log:
    """The clients' observations.

    ``failed``: requests that failed after their repeat, or had wrong answers.
    """

    requests: int = 0
    repeated: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)


def roll(fleet: Fleet, signals: Sequence[signal.Signals], log: Log) -> None:
    """Send each process one of the signals while an upload is half done. Let clients work without it, restart
    it, and let them work with it before the next one's turn.
    """
    about = "-".join(one.name.lower() for one in signals)
    with ExitStack() as clients:
        walkers: list[_Walker] = [
            _Walker(fleet, f"{about}-{client}", log, clients) for client in range(_CLIENTS)
        ]
        walkers.append(_GrpcWalker(fleet, f"{about}-grpc", log, clients))
        pool = clients.enter_context(ThreadPoolExecutor(len(walkers) + 1))
        for name, number in zip(fleet.names, itertools.cycle(signals), strict=False):
            slow = _SlowUpload(fleet, f"{about}-{name}", log)
            ended = pool.submit(slow.go)
            until("an upload is under way", slow.is_under_way)
            fleet.signal(name, number)
            _walk(pool, walkers)
            slow.rest.set()
            ended.result(PATIENCE)
            until(f"{name} has ended", lambda name=name: not fleet.runs(name))  # type: ignore[misc]
            fleet.launch(name)
            _walk(pool, walkers)
            fleet.wait_whole()


def _walk(pool: ThreadPoolExecutor, walkers: list[_Walker]) -> None:
    """Let each client take a few steps, in parallel."""
    for ended in [pool.submit(walker.go) for walker in walkers]:
        ended.result(PATIENCE)


class _Balanced:
    """A user's requests, to both gateways alternately, each repeated once at the other."""

    def __init__(self, fleet: Fleet, owner: str, log: Log) -> None:
        self._owner, self._log = owner, log
        self._stack = ExitStack()
        clients = [self._stack.enter_context(http_client(fleet, owner, url)) for url in fleet.urls]
        self._clients: Iterator[httpx.Client] = itertools.cycle(clients)

    def ask(self, method: str, path: str, expected: int, **options: Any) -> httpx.Response | None:
        """The answer, if it is the expected one, in at most two tries."""
        self._log.requests += 1
        first = self._try(method, path, options)
        if self._is_away(first):
            self._log.repeated.append(self._told(method, path, first))
            time.sleep(_pause(first))
            first = self._try(method, path, options)
            if isinstance(first, httpx.Response) and "REQUEST_IN_PROGRESS" in first.text:
                time.sleep(_pause(first))
                first = self._try(method, path, options)
        if isinstance(first, httpx.Response) and first.status_code == expected:
            return first
        self._log.failed.append(self._told(method, path, first))
        return None

    def close(self) -> None:
        self._stack.close()

    def _try(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response | httpx.TransportError:
        fresh = {name: value() if callable(value) else value for name, value in options.items()}
        try:
            return next(self._clients).request(method, path, **fresh)
        except httpx.TransportError as error:
            return error

    def _is_away(self, answer: httpx.Response | httpx.TransportError) -> bool:
        return isinstance(answer, httpx.TransportError) or answer.status_code in _AWAY

    def _told(self, method: str, path: str, answer: httpx.Response | httpx.TransportError) -> str:
        said = f"{answer.status_code} {answer.text}" if isinstance(answer, httpx.Response) else repr(answer)
        return f"{time.time():.2f} {self._owner}: {method} {path}: {said[:300]}"


def _pause(answer: httpx.Response | httpx.TransportError) -> float:
    """Seconds to wait, from the answer."""
    return float(answer.headers.get("retry-after", 0)) if isinstance(answer, httpx.Response) else 0.0


class _Walker:
    """Uploads, reads, lists and deletes, over REST."""

    def __init__(self, fleet: Fleet, owner: str, log: Log, clients: ExitStack) -> None:
        self._owner, self._log = owner, log
        self._dice = dice(owner)
        self._open(fleet, clients)

    def _open(self, fleet: Fleet, clients: ExitStack) -> None:
        self._asking = _Balanced(fleet, self._owner, self._log)
        clients.callback(self._asking.close)

    def go(self) -> None:
        """Take some steps."""
        for _ in range(_STEPS):
            self._step()

    def _step(self) -> None:
        asking = self._asking
        upload = _new_upload(self._log, self._owner, self._dice.randbytes(SMALL))
        _send(asking, upload, lambda: iter((upload.body,)))
        if not upload.acked:
            return
        path = f"/api/v1/s3/file/{upload.acked}"
        reply = asking.ask("GET", path, 200)
        if reply is not None and reply.content != upload.body:
            self._log.failed.append(f"{upload.request_id}: other bytes")
        asking.ask("GET", "/api/v1/s3/files?max_keys=5", 200)
        if self._dice.random() < 0.5 and asking.ask("DELETE", path, 200):
            upload.deleted = True


class _GrpcWalker(_Walker):
    """The same with the SDK, which retries by itself."""

    def _open(self, fleet: Fleet, clients: ExitStack) -> None:
        storage, metadata = (fleet.target(name) for name in ("storage", "metadata"))
        self._client = clients.enter_context(Client(storage, metadata, token=fleet.token(self._owner)))

    def _step(self) -> None:
        client = self._client
        self._log.requests += 3
        upload = _new_upload(self._log, self._owner, self._dice.randbytes(SMALL))
        try:
            file = client.upload(upload.body, filename="file.bin", request_id=upload.request_id)
            upload.acked = file.key
            if client.read(file) != upload.body:
                self._log.failed.append(f"{upload.request_id}: other bytes")
            next(iter(client.list()))
        except StrongroomError as error:
            self._log.failed.append(f"{time.time():.2f} {upload.request_id}: {error!r}")


class _SlowUpload:
    """An upload whose second half is sent when ``rest`` is set. It is repeated once after a connection
    error.
    """

    def __init__(self, fleet: Fleet, owner: str, log: Log) -> None:
        self._fleet, self._log = fleet, log
        self.rest = threading.Event()
        self._sent = threading.Event()
        self.upload = _new_upload(log, owner, dice(owner).randbytes(LARGE))

    def is_under_way(self) -> bool:
        """Whether its first half was sent and its row exists."""
        return self._sent.is_set() and bool(self._fleet.checker.unsettled(self.upload.owner))

    def go(self) -> None:
        """Send it."""
        asking = _Balanced(self._fleet, self.upload.owner, self._log)
        try:
            _send(asking, self.upload, self._halves)
        finally:
            asking.close()

    def _halves(self) -> Iterator[bytes]:
        body = self.upload.body
        half = len(body) - _PIECE
        for start in range(0, half, _PIECE):
            yield body[start : min(start + _PIECE, half)]
        self._sent.set()
        assert self.rest.wait(PATIENCE)
        yield body[half:]


def _send(asking: _Balanced, upload: Upload, pieces: Callable[[], Iterator[bytes]]) -> None:
    """Send a form with one file, whose bytes arrive over time, and record the acknowledgement."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="file.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )

    def form() -> Iterator[bytes]:
        yield head.encode()
        yield from pieces()
        yield f"\r\n--{_BOUNDARY}--\r\n".encode()

    headers = {
        "content-type": f"multipart/form-data; boundary={_BOUNDARY}",
        "idempotency-key": upload.request_id,
    }
    reply = asking.ask("POST", "/api/v1/s3/upload", 201, headers=headers, content=form)
    if reply is not None:
        upload.acked = reply.json()["key"]


def _new_upload(log: Log, owner: str, body: bytes) -> Upload:
    upload = Upload(owner, f"{owner}-{len(log.uploads)}", body)
    log.uploads.append(upload)
    return upload
