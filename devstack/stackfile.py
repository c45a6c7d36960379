"""{data dir}/stack.json and the other private JSON files: mode 0600, replaced atomically."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


def write_private_json(path: Path, value: Any) -> None:
    """Write JSON with mode 0600. A reader sees the old file or the new one, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@dataclass(frozen=True)
class GatewayEntry:
    """The gateway: its URL (`http://host:port`) and its process."""

    url: str
    pid: int


@dataclass(frozen=True)
class ServiceEntry:
    """A gRPC service: `host:port` and its process."""

    address: str
    pid: int


@dataclass(frozen=True)
class PostgresEntry:
    """A DSN that can read everything (superuser of the embedded cluster); pid 0 if the server is external."""

    dsn: str
    pid: int


@dataclass(frozen=True)
class S3Entry:
    """The object store; `pids` is empty if it is external."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str
    pids: list[int]


@dataclass(frozen=True)
class Stack:
    """The content of stack.json, which exists exactly while the stack is up and healthy."""

    gateway: GatewayEntry
    storage: ServiceEntry
    metadata: ServiceEntry
    postgres: PostgresEntry
    s3: S3Entry
    jwt_secret: str
    metrics: list[str]
    """URLs for Prometheus; together they cover the stack."""

    def write(self, path: Path) -> None:
        """Write the file, or replace it."""
        write_private_json(path, asdict(self))
