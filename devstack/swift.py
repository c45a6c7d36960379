"""Embedded S3: OpenStack Swift with its s3api, four small processes on loopback (Linux only).

Swift because it is a real object store that installs from PyPI, checks signatures, and keeps objects and open
multipart uploads through restarts and kill -9. The three inner servers ask for no credentials, as in every
Swift installation; they listen on loopback only.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

from devstack import bucket, ports, swift_config
from devstack.command import Command, Service, log_tail, spawn
from devstack.datadir import DataDir, Secrets
from devstack.errors import DevstackError
from devstack.health import http_ok
from devstack.stackfile import S3Entry
from devstack.swift_rings import ROLES

BUCKET = "strongroom"
_CHECKOUT = Path(__file__).resolve().parent.parent


class EmbeddedSwift:
    """One single-node Swift below {data dir}/swift."""

    warning = ""

    def __init__(self, data: DataDir, secrets: Secrets, kept_ports: ports.KeptPorts) -> None:
        require_available()
        self._data = data
        self._secret_key = secrets.get("s3_secret_key")
        self._hash_suffix = secrets.get("swift_hash_suffix")
        root = data.swift
        self._folders = swift_config.SwiftFolders(root / "conf", root / "node", root / "run")
        self._updater: subprocess.Popen[bytes] | None = None  # kept for its exit status to be collected
        self._ports = {role: kept_ports.get(f"swift_{role}") for role in (*ROLES, "proxy")}

    @property
    def endpoint(self) -> str:
        """The S3 endpoint, `http://127.0.0.1:PORT`."""
        return f"http://{ports.HOST}:{self._ports['proxy']}"

    @property
    def names(self) -> tuple[str, ...]:
        """The supervised processes."""
        return tuple(f"swift-{role}" for role in (*ROLES, "proxy"))

    def entry(self, pids: list[int]) -> S3Entry:
        """The `s3` part of stack.json."""
        return S3Entry(
            self.endpoint, BUCKET, swift_config.ACCESS_KEY, self._secret_key, swift_config.REGION, pids
        )

    def initialise(self) -> None:
        """Write the configuration, and the rings when there are none for these ports."""
        self._folders.create()
        require_xattrs(self._folders.devices)
        conf = self._folders.conf
        self._write("swift.conf", swift_config.cluster(self._hash_suffix))
        for role in ROLES:
            self._write(
                f"{role}-server.conf", swift_config.storage_server(role, self._folders, self._ports[role])
            )
        self._write(
            "proxy-server.conf",
            swift_config.proxy_server(self._folders, self._ports["proxy"], self._secret_key),
        )
        ring_ports = [str(self._ports[role]) for role in ROLES]
        mark = conf / "rings-for-ports"
        if not mark.exists() or mark.read_text().split() != ring_ports:
            self._build_rings(ring_ports)
            mark.write_text(" ".join(ring_ports))

    def services(self) -> list[Service]:
        """The four processes, in the order in which they start."""
        return [self._service(role) for role in (*ROLES, "proxy")]

    def prepare(self) -> None:
        """Make the bucket, and the listings right; does nothing the second time."""
        bucket.ensure(self.entry([]))
        self._catch_up()

    def _catch_up(self) -> None:
        """One pass of Swift's object updater, where listings missed changes while the container server was
        dead.
        """
        if any(self._folders.devices.glob("d1/async_pending*/*/*")):
            config = str(self._folders.conf / "object-server.conf")
            self._updater = spawn(self._command("updater", (config, "once")))

    def _service(self, role: str) -> Service:
        config = str(self._folders.conf / f"{role}-server.conf")
        port = self._ports[role]
        command = self._command(role, (config, "-v"))
        place = f"{ports.HOST}:{port}"
        probe = http_ok(f"http://{place}/healthcheck")
        return Service(command, probe, place, after_restart=self._catch_up, title="s3", port=port)

    def _command(self, role: str, arguments: tuple[str, ...]) -> Command:
        name = f"swift-{role}"
        return Command(
            name=name,
            argv=(sys.executable, "-m", "devstack.swift_server", role, *arguments),
            env={"PATH": os.defpath, "HOME": str(self._data.root)},
            cwd=_CHECKOUT,
            log=self._data.log(name),
            stop_signal=signal.SIGTERM,
            stop_seconds=5.0,
        )

    def _write(self, name: str, text: str) -> None:
        path = self._folders.conf / name
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    def _build_rings(self, ring_ports: list[str]) -> None:
        log = self._data.log("swift-rings")
        argv = [sys.executable, "-m", "devstack.swift_rings", str(self._folders.conf), *ring_ports]
        with log.open("ab") as output:
            done = subprocess.run(argv, stdout=output, stderr=output, cwd=_CHECKOUT, check=False)
        if done.returncode != 0:
            raise DevstackError(f"Swift's rings could not be built; {log} ends with:\n{log_tail(log)}")


def require_available() -> None:
    """Raise DevstackError, saying what to do, where Swift cannot run."""
    advice = "set AWS_S3_ENDPOINT_URL, AWS_S3_BUCKET and credentials to use an S3 server of your own"
    if sys.platform != "linux":
        raise DevstackError(
            f"the embedded S3 (OpenStack Swift) runs on Linux only: here {advice}, or use docker-compose.yml"
        )
    if importlib.util.find_spec("swift") is None:
        raise DevstackError(f"the embedded S3 is not installed: run `make setup`, or {advice}")


def require_xattrs(folder: Path) -> None:
    """Raise DevstackError unless files below `folder` can carry extended attributes, in which Swift keeps
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
