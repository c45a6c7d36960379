"""Embedded S3: OpenStack Swift with its s3api, one process on loopback (Linux only).

Swift is a real object store that can be installed from PyPI, checks signatures, and keeps objects and open
multipart uploads across restarts and kill -9. Its four servers share the process (docs/decisions/0033).
"""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import sys
from pathlib import Path

from devstack import bucket, ports, swift_config
from devstack.command import Command, Service
from devstack.datadir import DataDir, Secrets
from devstack.errors import DevstackError
from devstack.health import http_ok
from devstack.stackfile import S3Entry

BUCKET = "strongroom"
_CHECKOUT = Path(__file__).resolve().parent.parent


class EmbeddedSwift:
    """A single-node Swift below {data dir}/swift."""

    warning = ""

    def __init__(self, data: DataDir, secrets: Secrets, kept_ports: ports.KeptPorts) -> None:
        require_available()
        self._data = data
        self._secret_key = secrets.get("s3_secret_key")
        self._hash_suffix = secrets.get("swift_hash_suffix")
        root = data.swift
        self._folders = swift_config.SwiftFolders(root / "conf", root / "node", root / "run")
        self._port = kept_ports.get("swift_proxy")

    @property
    def endpoint(self) -> str:
        """The S3 endpoint, `http://127.0.0.1:PORT`."""
        return f"http://{ports.HOST}:{self._port}"

    def entry(self, pids: list[int]) -> S3Entry:
        """The `s3` part of stack.json."""
        return S3Entry(
            self.endpoint, BUCKET, swift_config.ACCESS_KEY, self._secret_key, swift_config.REGION, pids
        )

    def initialise(self) -> None:
        """Write the configuration."""
        self._folders.create()
        require_xattrs(self._folders.devices)
        self._write("swift.conf", swift_config.cluster(self._hash_suffix))
        for role in swift_config.INSIDE_PORTS:
            self._write(f"{role}-server.conf", swift_config.inner_server(role, self._folders))
        proxy = swift_config.proxy_server(self._folders, self._port, self._secret_key)
        self._write("proxy-server.conf", proxy)

    def services(self) -> list[Service]:
        """The only service: one process that runs all of Swift."""
        place = f"{ports.HOST}:{self._port}"
        probe = http_ok(f"http://{place}/healthcheck")
        return [Service(self._command(), probe, place, title="s3", port=self._port)]

    def prepare(self) -> None:
        """Create the bucket. Does nothing the second time."""
        bucket.ensure(self.entry([]))

    def _command(self) -> Command:
        # No threads for disk access: without fsync it is short, and switching threads costs more. No resolver
        # either, whose import is a quarter of a start: everything is on loopback.
        env = {"PATH": os.defpath, "HOME": str(self._data.root), "EVENTLET_THREADPOOL_SIZE": "0"}
        env["EVENTLET_NO_GREENDNS"] = "yes"
        return Command(
            name="swift",
            argv=(sys.executable, "-m", "devstack.swift_server", str(self._folders.conf)),
            env=env,
            cwd=_CHECKOUT,
            log=self._data.log("swift"),
            stop_signal=signal.SIGTERM,
            stop_seconds=5.0,
        )

    def _write(self, name: str, text: str) -> None:
        path = self._folders.conf / name
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)


def require_available() -> None:
    """Raise DevstackError, which says what to do, if Swift cannot run here."""
    advice = "set AWS_S3_ENDPOINT_URL, AWS_S3_BUCKET and credentials to use an S3 server of your own"
    if sys.platform != "linux":
        raise DevstackError(
            f"the embedded S3 (OpenStack Swift) runs on Linux only: here {advice}, or use docker-compose.yml"
        )
    if importlib.util.find_spec("swift") is None:
        raise DevstackError(f"the embedded S3 is not installed: run `make setup`, or {advice}")


def require_xattrs(folder: Path) -> None:
    """Raise DevstackError unless files below `folder` can have extended attributes, where Swift keeps
    metadata.
    """
    probe = folder / ".xattr-probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.strongroom", b"1")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        raise DevstackError(
            f"the file system of {folder} has no extended attributes, which the embedded S3 needs: "
            "set STRONGROOM_DATA_DIR to a folder on ext4, XFS or Btrfs"
        ) from error
    finally:
        probe.unlink()
