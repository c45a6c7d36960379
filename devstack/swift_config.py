"""Swift's configuration: its files as text, and its rings. Every setting that differs from Swift's default
has a reason here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.command import user_name

REGION = "us-east-1"
#: Port numbers of the inner servers. Nothing listens on them: they tell `swift_inside` which server is meant.
INSIDE_PORTS = {"object": 1, "container": 2, "account": 3}
_PART_POWER = 4
_ACCOUNT, _USER = "strongroom", "dev"
ACCESS_KEY = f"{_ACCOUNT}:{_USER}"

# Order matters: s3api turns S3 requests into Swift's before tempauth answers them; slo implements multipart
# uploads, versioned_writes bucket versioning, and symlink is needed for versioning.
_PIPELINE = (
    "catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth copy slo dlo versioned_writes "
    "symlink proxy-server"
)
_CHUNK = 262144
_PLAIN_FILTERS = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "listing_formats",
    "copy",
    "dlo",
    "symlink",
)


@dataclass(frozen=True)
class SwiftFolders:
    """The folders of one Swift: configuration, objects and caches."""

    conf: Path
    devices: Path
    run: Path

    def create(self) -> None:
        """Create the folders; the only device is called d1."""
        for folder in (self.conf, self.devices / "d1", self.run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def section(name: str, settings: Mapping[str, object]) -> str:
    """One section of an ini file."""
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def cluster(suffix: str) -> str:
    """swift.conf: the secret hash suffix is part of every path on disk, so it must never change."""
    return section(
        "swift-hash", {"swift_hash_path_suffix": suffix, "swift_hash_path_prefix": "strongroom"}
    ) + section("storage-policy:0", {"name": "default", "default": "yes"})


def inner_server(role: str, folders: SwiftFolders) -> str:
    """The configuration of the object, container or account server."""
    app: dict[str, object] = {"use": f"egg:swift#{role}", "log_requests": "false", **_patience()}
    if role == "object":
        # A listing must be right when PUT answers, also on a slow machine: wait for the container server.
        app |= {"container_update_timeout": 30, "keep_cache_size": 1048576}
        app |= {"disk_chunk_size": _CHUNK, "network_chunk_size": _CHUNK}
    parts = [
        section("DEFAULT", _common(folders)),
        section("pipeline:main", {"pipeline": f"{role}-server"}),
        section(f"app:{role}-server", app),
    ]
    if role == "object":
        parts.append(section("object-updater", {"concurrency": 1, **_patience()}))
    return "\n".join(parts)


def proxy_server(folders: SwiftFolders, port: int, secret_key: str) -> str:
    """The configuration of the S3 endpoint."""
    app: dict[str, object] = {"use": "egg:swift#proxy", "account_autocreate": "true", **_patience()}
    app |= {"object_chunk_size": _CHUNK, "client_chunk_size": _CHUNK}
    # There is one server of each kind: avoiding it for a minute after a restart would stop everything.
    app |= {"error_suppression_interval": 0.5, "error_suppression_limit": 1000000}
    return "\n".join(
        [
            section("DEFAULT", {**_common(folders), **_listening(port)}),
            section("pipeline:main", {"pipeline": _PIPELINE}),
            section("app:proxy-server", app),
            section(
                "filter:tempauth",
                {"use": "egg:swift#tempauth", f"user_{_ACCOUNT}_{_USER}": f"{secret_key} .admin"},
            ),
            section("filter:s3api", _s3api()),
            section("filter:cache", {"use": "call:devstack.swift_cache:filter_factory"}),
            # Otherwise deleting a multipart object leaves its segments to a daemon that does not run here.
            section(
                "filter:slo",
                {"use": "egg:swift#slo", "max_manifest_segments": 10000, "allow_async_delete": "false"},
            ),
            section(
                "filter:versioned_writes",
                {"use": "egg:swift#versioned_writes", "allow_object_versioning": "true"},
            ),
            *(section(f"filter:{name}", {"use": f"egg:swift#{name}"}) for name in _PLAIN_FILTERS),
        ]
    )


def write_rings(folder: Path) -> None:
    """Write FOLDER/{object,container,account}.ring.gz, unless they are current.

    One device has all partitions, so rings built again (for other ports) place the data exactly as before.
    """
    ports, mark = " ".join(map(str, INSIDE_PORTS.values())), folder / "rings-for-ports"
    if not mark.exists() or mark.read_text() != ports:
        _build_rings(folder)
        mark.write_text(ports)


def _build_rings(folder: Path) -> None:
    builder_class = importlib.import_module("swift.common.ring.builder").RingBuilder
    for role, port in INSIDE_PORTS.items():
        builder = builder_class(_PART_POWER, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
        builder.add_dev({"region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": "", **address})
        builder.rebalance(seed=1)
        builder.get_ring().save(str(folder / f"{role}.ring.gz"))


def _s3api() -> dict[str, object]:
    return {
        "use": "egg:swift#s3api",
        "location": REGION,
        "s3_acl": "false",
        "check_bucket_owner": "false",
        "dns_compliant_bucket_names": "true",
        "allow_multipart_uploads": "true",
        "max_upload_part_num": 10000,
        "min_segment_size": 5242880,
    }


def _patience() -> dict[str, object]:
    """Time-outs. With Swift's defaults (0.5 s to connect, 3 s to answer) a busy laptop gets 503s."""
    return {"conn_timeout": 10, "node_timeout": 60}


def _listening(port: int) -> dict[str, object]:
    return {"bind_ip": "127.0.0.1", "bind_port": port, "workers": 0, "max_clients": 256}


def _common(folders: SwiftFolders) -> dict[str, object]:
    return {
        "swift_dir": folders.conf,
        "devices": folders.devices,
        "mount_check": "false",
        "user": user_name(),
        "log_level": "ERROR",
        "disable_fallocate": "true",
        "recon_cache_path": folders.run,
    }
