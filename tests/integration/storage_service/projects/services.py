"""metadata_service and storage_service as real processes with their own database and bucket."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psutil

from devstack import bucket, environment, health
from devstack.command import log_tail
from devstack.environment import METADATA, STORAGE, Addresses, StackValues
from devstack.infra import Infra
from devstack.ports import HOST, KeptPorts
from devstack.stackfile import S3Entry
from tests.databases import Logins
from tests.forks.client import Child
from tests.servers import forks_of_run
from tests.stack import FAST_DRAIN, NO_WEBHOOKS, clean_environ, until, user_token

JWT_SECRET: Final = "project-tests-jwt-secret-0123456789abcdef"
INTERNAL_SECRET: Final = "project-tests-internal-secret-0123456789"
MODULES: Final = {METADATA: "metadata_service", STORAGE: "storage_service"}


class Services:
    """Two processes; ``close`` ends them. ``logins`` and ``s3`` give direct access to their data."""

    def __init__(
        self, servers: Infra, logins: Logins, folder: Path, bucket_name: str, env: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self.logins = logins
        self.entry: S3Entry = replace(servers.s3, bucket=bucket_name)
        self.s3: Any = bucket.client(self.entry)
        ports = KeptPorts(folder / "ports.json")
        where = {name: f"{HOST}:{ports.get(name)}" for name in (METADATA, STORAGE, "gateway")}
        values = StackValues(
            addresses=Addresses(**where),
            owner_dsn=logins.owner,
            app_dsn=logins.app,
            s3=self.entry,
            jwt_secret=JWT_SECRET,
            link_secret="a secret of links, 0123456789abcdef",
            internal_secret=INTERNAL_SECRET,
            embedded_database=True,
            embedded_s3=True,
        )
        parts = {"STRONGROOM_PART_SIZE_BYTES": str(5 << 20)}
        self._env: dict[str, str] = {**clean_environ(), **FAST_DRAIN, **NO_WEBHOOKS, **parts, **env}
        self.address, self.metadata_address = where[STORAGE], where[METADATA]
        self._forks = forks_of_run(servers.data_dir.parent)
        self._processes = {name: self._spawn(name, values) for name in (METADATA, STORAGE)}
        for name in (METADATA, STORAGE):
            self._wait_for(name, where[name])

    def token(self, sub: str, **claims: object) -> str:
        """A token for ``sub``."""
        return user_token(JWT_SECRET, sub, **claims)

    def memory(self) -> int:
        """Bytes of physical memory that storage_service uses now."""
        return int(psutil.Process(self._processes[STORAGE].pid).memory_info().rss)

    def close(self) -> None:
        """Kill both processes."""
        for process in self._processes.values():
            process.end()
        self._forks.close()

    def versions(self, prefix: str) -> list[tuple[str, str, bool, bool]]:
        """(Key, version id, whether it is a marker, whether it is the latest) of everything below
        ``prefix``.
        """
        found = []
        for page in self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.entry.bucket, Prefix=prefix
        ):
            found += [(v["Key"], v["VersionId"], False, v["IsLatest"]) for v in page.get("Versions", [])]
            found += [(v["Key"], v["VersionId"], True, v["IsLatest"]) for v in page.get("DeleteMarkers", [])]
        return found

    def current(self, prefix: str) -> dict[str, bytes]:
        """The bucket's current objects below ``prefix``: content by key without the prefix.

        Swift may list an object for a moment after its deletion; then the list is read again.
        """
        found: dict[str, bytes] = {}

        def read() -> bool:
            found.clear()
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.entry.bucket, Prefix=prefix)
            try:
                for key in [item["Key"] for page in pages for item in page.get("Contents", [])]:
                    reply = self.s3.get_object(Bucket=self.entry.bucket, Key=key)
                    found[key.removeprefix(prefix)] = reply["Body"].read()
            except self.s3.exceptions.NoSuchKey:
                return False
            return True

        until("what is listed is there", read)
        return found

    def log(self, name: str = STORAGE) -> str:
        """The end of a log."""
        return log_tail(self._folder / f"{name}.log", 40)

    def _spawn(self, name: str, values: StackValues) -> Child:
        env = environment.for_service(name, self._env, values)
        return self._forks.start(MODULES[name], env, self._folder / f"{name}.log")

    def _wait_for(self, name: str, address: str) -> None:
        serves = health.grpc_serving(address)

        def ready() -> bool:
            assert self._processes[name].poll() is None, f"{name} ended:\n{self.log(name)}"
            return serves()

        until(f"{name} serves", ready)


def storage_environ(**settings: object) -> dict[str, str]:
    """Settings as environment: ``max_project_files=10``."""
    return {f"STRONGROOM_{name}".upper(): str(value) for name, value in settings.items()}


def fresh_folder(root: Path) -> Path:
    """A folder for ports and logs."""
    folder = root / f"services-{os.urandom(4).hex()}"
    folder.mkdir(parents=True)
    return folder
