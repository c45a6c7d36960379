"""Addresses of the services: from arguments, the environment, or a running development stack, in this
order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.client.retries import RetryPolicy
from strongroom.client.tokens import Token
from strongroom.grpc_targets import wrong_target

DEFAULT_STORAGE_ADDRESS = "127.0.0.1:50051"
DEFAULT_METADATA_ADDRESS = "127.0.0.1:50052"
DEFAULT_SPOOL_BYTES = 1 << 30
DEFAULT_GATEWAY_URL = "http://127.0.0.1:8080"
TRUE = {"1", "true", "yes", "on"}


class ConfigurationError(ValueError):
    """A setting of the client is missing or wrong; the message names it and says how to fix it."""


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS towards the services; each field is PEM as bytes, or the path of a PEM file.

    ``ca``: trusted authorities (None: gRPC's default roots). ``certificate`` and ``key``: the client's own,
    for mTLS.
    """

    ca: bytes | str | os.PathLike[str] | None = None
    certificate: bytes | str | os.PathLike[str] | None = None
    key: bytes | str | os.PathLike[str] | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """The contents of ``{data dir}/stack.json``, which a running development stack (``make up``) writes."""

    path: Path
    gateway_url: str
    storage_address: str
    metadata_address: str
    jwt_secret: str = field(repr=False)
    postgres_dsn: str = field(default="", repr=False)
    s3: Mapping[str, Any] = field(default_factory=dict, repr=False)


def stack_path(environ: Mapping[str, str]) -> Path:
    """Return the path of stack.json: ``{STRONGROOM_DATA_DIR:-.strongroom}/stack.json``."""
    return Path(environ.get("STRONGROOM_DATA_DIR") or ".strongroom") / "stack.json"


def read_stack(environ: Mapping[str, str]) -> Stack | None:
    """Return the running development stack; None if there is none (no file, or its processes have ended).

    :raises ConfigurationError: the file can't be read or has another form.
    """
    path = stack_path(environ)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror or error}") from error
    try:
        found = json.loads(text)
        stack = Stack(
            path=path,
            gateway_url=str(found["gateway"]["url"]),
            storage_address=str(found["storage"]["address"]),
            metadata_address=str(found["metadata"]["address"]),
            jwt_secret=str(found["jwt_secret"]),
            postgres_dsn=str(found.get("postgres", {}).get("dsn", "")),
            s3=dict(found.get("s3", {})),
        )
        pid = int(found["storage"]["pid"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is not a stack.json; remove it or run `make up` again") from error
    return stack if _runs(pid) or _is_supervised(path.parent) else None


def _is_supervised(folder: Path) -> bool:
    """Whether the stack's supervisor runs, which starts a service again that was killed: until then its
    addresses stay, and the default ports would be somebody else's.
    """
    try:
        holder = (folder / "lock").read_text("ascii").strip()
    except (OSError, ValueError):
        return False
    return holder.isdecimal() and _runs(int(holder))


def _runs(pid: int) -> bool:
    """Whether the process exists. A stack that was killed leaves its stack.json behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """All settings of a client. ``tls`` None: plaintext to loopback, TLS to anywhere else; False: plaintext.
    ``gateway_url``: base of links.
    """

    storage_address: str
    metadata_address: str
    token: Token | None = field(default=None, repr=False)
    tls: Tls | bool | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float = 30.0
    gateway_url: str = DEFAULT_GATEWAY_URL
    spool: Path | None = None
    spool_max_bytes: int = DEFAULT_SPOOL_BYTES

    @classmethod
    def resolve(
        cls,
        storage_address: str | None = None,
        metadata_address: str | None = None,
        *,
        token: Token | None = None,
        tls: Tls | bool | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
        spool: str | os.PathLike[str] | None = None,
        spool_max_bytes: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> ClientSettings:
        """Return the arguments, else the environment, else the running development stack, else the default
        ports.

        ``STRONGROOM_STORAGE_ADDRESS``, ``STRONGROOM_METADATA_ADDRESS``, ``STRONGROOM_TOKEN``,
        ``STRONGROOM_TLS_CA``, ``STRONGROOM_TLS_CLIENT_CERT``, ``STRONGROOM_TLS_CLIENT_KEY``,
        ``STRONGROOM_ALLOW_PLAINTEXT``; ``STRONGROOM_PUBLIC_URL``, ``STRONGROOM_GATEWAY_URL`` for links;
        ``STRONGROOM_SPOOL``, ``STRONGROOM_SPOOL_MAX_BYTES``. The development stack provides addresses only,
        never a token: see ``development_settings``.

        :raises ConfigurationError: an address can't be one, or stack.json is needed and can't be read.
        """
        env = os.environ if environ is None else environ
        storage = _address("storage", storage_address, env)
        metadata = _address("metadata", metadata_address, env)
        gateway = env.get("STRONGROOM_PUBLIC_URL") or env.get("STRONGROOM_GATEWAY_URL")
        stack = None if storage and metadata else read_stack(env)
        return cls(
            storage or (stack.storage_address if stack else DEFAULT_STORAGE_ADDRESS),
            metadata or (stack.metadata_address if stack else DEFAULT_METADATA_ADDRESS),
            token=token or env.get("STRONGROOM_TOKEN") or None,
            tls=tls_from(env) if tls is None else tls,
            retry=retry or RetryPolicy(),
            timeout=30.0 if timeout is None else timeout,
            gateway_url=(gateway or (stack.gateway_url if stack else DEFAULT_GATEWAY_URL)).rstrip("/"),
            spool=Path(folder) if (folder := spool or env.get("STRONGROOM_SPOOL")) else None,
            spool_max_bytes=_spool_bytes(env) if spool_max_bytes is None else spool_max_bytes,
        )


def _address(service: str, given: str | None, environ: Mapping[str, str]) -> str:
    """The address as it was given; empty: it was not."""
    name = f"STRONGROOM_{service.upper()}_ADDRESS"
    address = (given or environ.get(name) or "").strip()
    if wrong := wrong_target(address):
        raise ConfigurationError(f"the address {address!r} of {service}_service ({name}): {wrong}")
    return address


def _spool_bytes(environ: Mapping[str, str]) -> int:
    text = environ.get("STRONGROOM_SPOOL_MAX_BYTES") or str(DEFAULT_SPOOL_BYTES)
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"STRONGROOM_SPOOL_MAX_BYTES is a number of bytes, not {text!r}")
    return int(text)


def tls_from(environ: Mapping[str, str]) -> Tls | bool | None:
    """Return the TLS settings of the environment; None if it has none."""
    ca, certificate, key = (
        environ.get(f"STRONGROOM_TLS_{name}") or None for name in ("CA", "CLIENT_CERT", "CLIENT_KEY")
    )
    if ca or certificate or key:
        return Tls(ca, certificate, key)
    plaintext = environ.get("STRONGROOM_ALLOW_PLAINTEXT", "").strip().lower() in TRUE
    return False if plaintext else None
