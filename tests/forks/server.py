"""Starts processes by forking one that has already imported everything they need; one server for a whole run.

Each failpoint is armed by restarting a process, more than a hundred times in total, and a start is mostly
imports. A forked process is a real one: it has its own pid, session, environment, log and ``__main__``. It
dies with the server that forked it, or when the test process that requested it disconnects. Forking is safe
because importing the services starts neither threads nor gRPC (the server checks that).

``python -m tests.forks.server SOCKET LIFELINE`` is the server: it reads one JSON order per line and writes
``{"pid": …}``, later ``{"ended": pid, "code": …}``. It ends when nobody holds the FIFO LIFELINE open.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import botocore.session
import protovalidate
from google.protobuf import message_factory
from google.protobuf.message import Message

from gateway.config import GatewaySettings
from gateway.operations.routing import RouteTable
from gateway.surface import all_operations
from metadata_service.config import MetadataSettings
from servicekit.serving import infra
from servicekit.settings import read_settings
from storage_service.config import StorageSettings
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.outbound.wire import tls_context
from tests.forks import becoming, stacks

SERVICES: Final = ("metadata_service", "storage_service", "gateway", "strongroom_server")


def import_all(package: str) -> None:
    """Import every module of a package except programs (``__main__``), data (migrations) and Swift's."""
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    for module in found:
        if not module.name.endswith("__main__") and not any(each in module.name for each in _NOT):
            importlib.import_module(module.name)


_NOT: Final = (".migrations.", "devstack.swift_")


def _warm_up() -> None:
    """Do once what each start would read, import and compile, for a quarter of a second of CPU: botocore's
    data, certificate authorities, middleware, route patterns, validation rules, settings.
    """
    session = botocore.session.get_session()
    vars(botocore.session)["get_session"] = lambda: session  # for the only store that a process has
    open_s3_store(S3Options(bucket="warm", endpoint_url="http://127.0.0.1:1"))
    tls_context(verify=True)
    importlib.import_module("starlette.middleware.cors")
    RouteTable(all_operations())
    for request in _requests():
        protovalidate.collect_violations(request, fail_fast=True)
    infra.describe_v1()
    _read_settings()


def _read_settings() -> None:
    """Python and pydantic are faster the second time."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(_SETTINGS)
    for settings in (MetadataSettings, StorageSettings, GatewaySettings):
        for _ in range(_TIMES):
            read_settings(settings)
    os.environ.clear()
    os.environ.update(before)


_SETTINGS: Final = {
    "AWS_S3_BUCKET": "warm",
    "S3_USE_IAM_ROLE": "true",
    "STRONGROOM_DATABASE_URL": "postgresql://warm@127.0.0.1/warm",
    "STRONGROOM_JWT_SECRET": "a secret that signs nothing",
}
_TIMES: Final = 5
"""Python specializes code after it has run some times."""


def _requests() -> Iterator[Message]:
    """An empty request of each RPC imported."""
    for name, module in [*sys.modules.items()]:
        if name.startswith("strongroom.") and name.endswith("_pb2"):
            for service in module.DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    yield message_factory.GetMessageClass(method.input_type)()


class _Server:
    """``run()`` until the run ends."""

    def __init__(self, listener: socket.socket, lifeline: int) -> None:
        self._listener, self._lifeline = listener, lifeline
        self._heard, telling = os.pipe()
        os.set_blocking(telling, False)
        signal.set_wakeup_fd(telling)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._clients: dict[socket.socket, bytes] = {}
        self._children: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Serve orders."""
        while True:
            watched: list[Any] = [self._listener, self._lifeline, self._heard, *self._clients]
            ready, _, _ = select.select(watched, [], [])
            if self._lifeline in ready:
                return
            if self._heard in ready:
                os.read(self._heard, 4096)
                self._collect()
            if self._listener in ready:
                self._clients[self._listener.accept()[0]] = b""
            for client in [each for each in self._clients if each in ready]:
                self._hear(client)

    def _hear(self, client: socket.socket) -> None:
        received = client.recv(1 << 16)
        if not received:
            self._hung_up(client)
            return
        *orders, self._clients[client] = (self._clients[client] + received).split(b"\n")
        for order in orders:
            self._fork(client, json.loads(order))

    def _hung_up(self, client: socket.socket) -> None:
        del self._clients[client]
        client.close()
        for pid in [pid for pid, owner in self._children.items() if owner is client]:
            os.kill(pid, signal.SIGKILL)

    def _fork(self, client: socket.socket, order: dict[str, Any]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            becoming.become(becoming.Order(**order), parent, stacks.prepare)
        self._children[pid] = client
        self._tell(client, pid=pid)

    def _collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._tell(self._children.pop(pid), ended=pid, code=os.waitstatus_to_exitcode(status))

    def _tell(self, client: socket.socket, **facts: int) -> None:
        if client in self._clients:
            client.sendall((json.dumps(facts) + "\n").encode())


def main() -> None:
    """Import, listen, serve."""
    path, lifeline = Path(sys.argv[1]), os.open(sys.argv[2], os.O_RDONLY | os.O_NONBLOCK)
    for name in (*SERVICES, "devstack"):
        import_all(name)
    _warm_up()
    assert threading.active_count() == 1, f"importing the services starts threads: {threading.enumerate()}"
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    being_made = path.with_suffix(".new")
    listener.bind(str(being_made))
    listener.listen()
    being_made.rename(path)
    _Server(listener, lifeline).run()


if __name__ == "__main__":
    main()
