"""The environment of each service: the caller's variables, plus the stack's, minus those it must not have.

The gateway gets neither database nor S3 credentials, storage_service no database, metadata_service no S3.
Only `migrate` knows the login of the database's owner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from devstack.infra import s3_environ
from devstack.stackfile import S3Entry

GATEWAY, STORAGE, METADATA, MIGRATE = "gateway", "storage", "metadata", "migrate"
#: All three services in one process, with the credentials of all.
ALL = "strongroom"

# Without these, glibc returns freed chunks to the kernel and requests them again: more than half of the
# gateway's CPU time in a large upload.
MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TOP_PAD_": "16777216",
}

# Origins of front ends in development (Vite, React and Next, Angular, Django and http.server).
LOCAL_ORIGINS = ",".join(
    f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3000, 4200, 5173, 8000)
)

# With one of these, tokens come from the caller's own issuer, and the services refuse an additional secret.
FOREIGN_KEYS = ("STRONGROOM_JWKS_URL", "STRONGROOM_JWT_PUBLIC_KEY")

_FAILPOINTS = "STRONGROOM_FAILPOINTS"
_METRICS = "STRONGROOM_METRICS_BIND"
_S3_PREFIXES = ("AWS_", "S3_", "STRONGROOM_S3_")
# These concern clients and this machine more than the store, so they apply to the embedded one, too.
_S3_OF_ANY_STORE = (
    "STRONGROOM_S3_SIGN_PAYLOAD",
    "STRONGROOM_S3_CALL_SECONDS",
    "STRONGROOM_S3_PUBLIC_ENDPOINT_URL",
)
_DATABASE_NAMES = ("STRONGROOM_DATABASE_URL", "STRONGROOM_MIGRATION_DATABASE_URL")


@dataclass(frozen=True)
class Addresses:
    """`host:port` of each service."""

    gateway: str
    storage: str
    metadata: str

    def by_name(self) -> tuple[tuple[str, str], ...]:
        """Name and address of each."""
        return (GATEWAY, self.gateway), (STORAGE, self.storage), (METADATA, self.metadata)


@dataclass(frozen=True)
class StackValues:
    """Values for the services. `embedded_*`: the server is the stack's, and the caller's settings are not for
    it.
    """

    addresses: Addresses
    owner_dsn: str
    app_dsn: str
    s3: S3Entry
    jwt_secret: str | None
    internal_secret: str
    link_secret: str
    embedded_database: bool
    embedded_s3: bool
    commit: str = ""
    """The checkout's commit, if there is one; determined once, not in each process."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """`host:port` of the metrics of each service with a process of its own, unless the caller sets it."""


_SWIFT = {
    "STRONGROOM_S3_SSE": "off",  # it answers 501 to encryption headers
    # Swift keeps names in extended attributes, 4 KiB on ext4. A longer name gives a 507, which looks like
    # throttling.
    "STRONGROOM_S3_MAX_KEY_BYTES": "800",
}


#: Which processes have the caller's secrets.
_HOLDERS = {
    "STRONGROOM_OLD_INTERNAL_SECRETS": (STORAGE, METADATA, ALL),
    "STRONGROOM_LINK_SECRET": (STORAGE, ALL),
    "STRONGROOM_OLD_LINK_SECRETS": (STORAGE, ALL),
}


def for_service(name: str, caller: Mapping[str, str], values: StackValues) -> dict[str, str]:
    """The environment of one process (GATEWAY, STORAGE, METADATA, ALL or MIGRATE), failpoints aside."""
    env = {key: value for key, value in caller.items() if not _withheld(key.upper(), name, values)}
    env |= MALLOC | {"PYTHONUNBUFFERED": "1"} | _no_proxies(caller) | _places(values.addresses)
    env["STRONGROOM_COMMIT"] = caller.get("STRONGROOM_COMMIT") or values.commit
    if values.jwt_secret is not None and name != MIGRATE:
        env["STRONGROOM_JWT_SECRET"] = values.jwt_secret
    told = caller.get(_METRICS if name == ALL else f"{_METRICS}_{name.upper()}")
    if metrics := told or values.metrics.get(name):
        env[_METRICS] = metrics
    if name in (GATEWAY, ALL):
        env.setdefault("STRONGROOM_CORS_ORIGINS", LOCAL_ORIGINS)
    if name != MIGRATE:
        env.setdefault("STRONGROOM_GATEWAY_SECRET", _gateway_secret(values.internal_secret))
    if name in (STORAGE, METADATA, ALL):
        env["STRONGROOM_INTERNAL_SECRET"] = values.internal_secret
    if name in (STORAGE, ALL):
        env["STRONGROOM_LINK_SECRET"] = values.link_secret
    if name in (METADATA, MIGRATE, ALL):
        env["STRONGROOM_DATABASE_URL"] = values.app_dsn
    if name == MIGRATE:
        env["STRONGROOM_MIGRATION_DATABASE_URL"] = values.owner_dsn
    if name in (STORAGE, ALL) and values.embedded_s3:
        env |= s3_environ(values.s3) | _SWIFT
    return env


def metrics_urls(caller: Mapping[str, str], values: StackValues, *, one: bool) -> list[str]:
    """URLs of the stack's metrics; a single one if it is one process."""
    names = (ALL,) if one else (GATEWAY, STORAGE, METADATA)
    binds = (for_service(name, caller, values).get(_METRICS, values.addresses.gateway) for name in names)
    return [f"http://{bind}/metrics" for bind in binds]


def _gateway_secret(internal_secret: str) -> str:
    """A secret for the gateway from which the other can't be derived."""
    return hashlib.sha256(f"gateway {internal_secret}".encode()).hexdigest()


def failpoints(name: str, caller: Mapping[str, str]) -> dict[str, str]:
    """STRONGROOM_FAILPOINTS of one process: its own variable (…_STORAGE, …), or the common one."""
    if name == ALL:
        each = (failpoints(one, caller).get(_FAILPOINTS) for one in (GATEWAY, STORAGE, METADATA))
        texts = ";".join(dict.fromkeys(filter(None, each)))
        return {_FAILPOINTS: texts} if texts else {}
    text = caller.get(f"{_FAILPOINTS}_{name.upper()}") or caller.get(_FAILPOINTS)
    return {_FAILPOINTS: text} if text else {}


def _withheld(key: str, name: str, values: StackValues) -> bool:
    if key.startswith((_FAILPOINTS, _METRICS)) or key in _DATABASE_NAMES:
        return True
    if key in ("STRONGROOM_INTERNAL_SECRET", "STRONGROOM_JWT_SECRET"):
        return True
    if key in _HOLDERS:
        return name not in _HOLDERS[key]
    if key.startswith("PG"):  # libpq's defaults: PGHOST, PGPASSWORD, PGSSLMODE…
        return values.embedded_database or name not in (METADATA, MIGRATE, ALL)
    if key.startswith(_S3_PREFIXES):
        return name not in (STORAGE, ALL) or (values.embedded_s3 and key not in _S3_OF_ANY_STORE)
    return False


def _no_proxies(caller: Mapping[str, str]) -> dict[str, str]:
    """Proxies, which gRPC and boto3 use, must not be used between processes of one machine."""
    listed = caller.get("no_proxy") or caller.get("NO_PROXY")
    text = ",".join(filter(None, (listed, "127.0.0.1", "localhost")))
    return {"no_proxy": text, "NO_PROXY": text}


def _places(addresses: Addresses) -> dict[str, str]:
    return {
        "STRONGROOM_HTTP_BIND": addresses.gateway,
        "STRONGROOM_STORAGE_BIND": addresses.storage,
        "STRONGROOM_METADATA_BIND": addresses.metadata,
        "STRONGROOM_STORAGE_ADDRESS": addresses.storage,
        "STRONGROOM_METADATA_ADDRESS": addresses.metadata,
    }
