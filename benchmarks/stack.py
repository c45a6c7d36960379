"""The system under test: ``python -m devstack up``, with the sink or its own store for the bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jwt

from benchmarks.sinkserver import Sink
from benchmarks.yardstick import BUCKET

#: The cases have one user at full speed on one address. Cases about limits set their own.
_NO_LIMITS = {
    f"STRONGROOM_{name}": "0"
    for name in (
        "USER_REQUESTS_PER_SECOND",
        "USER_SHARE_PER_SECOND",
        "ADDRESS_REQUESTS_PER_SECOND",
        "USER_SESSIONS_PER_MINUTE",
        "USER_IMPORTS_PER_MINUTE",
        "USER_TRANSFERS",
        "USER_ARCHIVES",
        "USER_EXPORTS",
        "USER_IMPORTS",
        "USER_WATCHES",
        "USER_OPEN_SESSIONS",
    )
}
#: The three services in one process, or in three.
Form: TypeAlias = Literal["one", "three"]
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Stack:
    """The running system, from stack.json."""

    url: str
    storage_address: str
    metadata_address: str
    dsn: str
    jwt_secret: str
    pids: dict[str, int]
    store_pids: list[int]

    @classmethod
    def read(cls, path: Path) -> Stack:
        """Read stack.json."""
        told: dict[str, Any] = json.loads(path.read_text())
        return cls(
            url=told["gateway"]["url"],
            storage_address=told["storage"]["address"],
            metadata_address=told["metadata"]["address"],
            dsn=told["postgres"]["dsn"],
            jwt_secret=told["jwt_secret"],
            pids={name: told[name]["pid"] for name in ("gateway", "storage", "metadata", "postgres")},
            store_pids=told["s3"]["pids"],
        )

    @property
    def services(self) -> dict[str, int]:
        """The services' processes: three by name, or `strongroom`, which contains all."""
        if self.pids["gateway"] == self.pids["storage"]:
            return {"strongroom": self.pids["gateway"]}
        return {name: self.pids[name] for name in ("gateway", "storage", "metadata")}

    def token(self, user: str) -> str:
        """A token for `user`, valid for a day."""
        return token(self.jwt_secret, user)


def token(secret: str, user: str) -> str:
    """An HS256 token for `user`, valid for a day."""
    now = int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + 86400}
    return jwt.encode(claims, secret, algorithm="HS256")


def _environment(
    folder: Path, sink: Sink | None, env: Mapping[str, str], limits: Mapping[str, str]
) -> dict[str, str]:
    """The stack's environment: the caller's, the sink (if any) as S3, free ports."""
    ports = {f"STRONGROOM_{name}_PORT": "0" for name in ("HTTP", "STORAGE", "METADATA")}
    place = {"STRONGROOM_DATA_DIR": str(folder / "data"), **ports}
    return {**os.environ, **place, **_store(sink), **limits, **env}


def _store(sink: Sink | None) -> dict[str, str]:
    """Variables that select the sink as the store; none without a sink.

    They disable the daily verification: a sink lists nothing, so it would request the object of each row.
    """
    if sink is None:
        return {}
    return {
        "STRONGROOM_VERIFY_INTERVAL_SECONDS": "0",
        "AWS_S3_ENDPOINT_URL": sink.endpoint,
        "AWS_S3_BUCKET": BUCKET,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
    }


def _wait_until_up(process: subprocess.Popen[bytes], told: Path, log: Path) -> Stack:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if told.exists():
            return Stack.read(told)
        time.sleep(0.1)
    raise RuntimeError(f"the stack does not start:\n{log.read_text()[-3000:]}")


@contextmanager
def running(
    folder: Path, sink: Sink | None, env: Mapping[str, str] | None = None, *, limited: bool = False
) -> Iterator[Stack]:
    """Run the stack on free ports inside the block, with data below `folder` (existing data is kept).

    Without a `sink` it has its own object store. `env` is added to its environment. `limited`: with the
    default caps and rates.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "stack.log"
    command = [sys.executable, "-m", "devstack", "up"]
    root = Path(__file__).parent.parent
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=root,
            env=_environment(folder, sink, env or {}, {} if limited else _NO_LIMITS),
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield _wait_until_up(process, folder / "data" / "stack.json", log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
