"""Settings of the gateway. Names are ``STRONGROOM_`` plus the field in capitals; see
``servicekit.settings``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, model_validator
from pydantic_settings import NoDecode

from servicekit.limits import CapSettings
from servicekit.limits.settings import LimitSettings
from servicekit.net import TargetAddress
from servicekit.settings import CommonSettings, OriginList, SettingError

MIB = 1024 * 1024
_PLAIN = re.compile(r"[A-Za-z0-9._~:/\[\]%-]+")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _public_url(value: str) -> str:
    """``http(s)://host[:port][/path]`` without the last slash, or ``""``. Raises ValueError."""
    if not value:
        return ""
    parts = urlsplit(value)
    known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    if not known or "@" in parts.netloc or parts.query or parts.fragment or not _PLAIN.fullmatch(value):
        raise ValueError("is not a URL like https://files.example.com (no query, no user, no #)")
    return value.rstrip("/")


#: Addresses and networks in CIDR notation, comma-separated.
NetworkList = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_split)]


class GatewaySettings(LimitSettings, CapSettings, CommonSettings):
    """Settings of the gateway in addition to the common ones.

    Memory, whatever the size of bodies: about 70 MiB, plus up to 5 MiB per upload and 3 MiB per download in
    progress.

    ``http_bind``: ``host:port`` to listen on; TLS with ``http_tls_cert`` and ``http_tls_key``, otherwise a
    proxy should provide it. ``storage_address``, ``metadata_address``: the services (``host:port`` or
    ``dns:///name:port``). ``cors_origins``: origins whose pages may call the API, or ``*``. ``public_url``:
    the base of URLs in responses; without it, as proxies forward or as the request came. ``trusted_proxies``:
    addresses and networks whose ``X-Forwarded-*`` count. ``link_mode``: whether links return the bytes or
    redirect to the store; ``link_cache_seconds``: how long browsers may use their copy without revalidation.
    ``console``: whether ``/console`` exists.

    ``drain_pause_seconds``: how long the listener stays open after SIGTERM while ``/healthz`` fails, so that
    load balancers stop sending first. ``rpc_seconds``: deadline of calls that move no bytes;
    ``transfer_seconds``: of those that do.

    ``max_connections``: further ones get 503. ``header_seconds``: limit for receiving a request's headers.
    ``keep_alive_seconds``: limit between requests. ``body_idle_seconds``: a body without progress for so long
    is cut off. ``min_body_rate``: least bytes per second of a body in each ``body_rate_window`` (seconds in
    which the gateway was ready to read).

    The size limits are reported to tus clients and compared with announced lengths here; storage_service
    enforces them.
    """

    http_bind: str = "127.0.0.1:8080"
    http_tls_cert: Path | None = None
    http_tls_key: Path | None = None
    storage_address: TargetAddress = "127.0.0.1:50051"
    metadata_address: TargetAddress = "127.0.0.1:50052"
    cors_origins: OriginList = ()
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    trusted_proxies: NetworkList = ()
    link_mode: Literal["bytes", "redirect"] = "bytes"
    link_cache_seconds: int = Field(default=3600, ge=0)
    console: Literal["on", "off"] = "on"

    drain_pause_seconds: float = Field(default=0.0, ge=0)
    rpc_seconds: float = Field(default=7.0, gt=0)
    transfer_seconds: float = Field(default=86_400.0, gt=0)
    readiness_seconds: float = Field(default=2.0, gt=0)

    max_connections: int = Field(default=2000, ge=1)
    header_seconds: float = Field(default=10.0, gt=0)
    max_header_bytes: int = Field(default=64 * 1024, ge=4096)
    keep_alive_seconds: float = Field(default=30.0, gt=0)
    body_idle_seconds: float = Field(default=30.0, gt=0)
    body_rate_window: float = Field(default=30.0, gt=0)
    min_body_rate: int = Field(default=1024, ge=0)
    drain_body_bytes: int = Field(default=32 * MIB, ge=0)
    drain_body_seconds: float = Field(default=10.0, ge=0)

    @model_validator(mode="after")
    def _tls_pair_is_complete(self) -> Self:
        if (self.http_tls_cert is None) != (self.http_tls_key is None):
            missing = "CERT" if self.http_tls_cert is None else "KEY"
            raise SettingError(f"STRONGROOM_HTTP_TLS_{missing}", "not set, but its counterpart is")
        return self

    @property
    def corp(self) -> str:
        """Cross-Origin-Resource-Policy of file bytes: other origins may embed them if CORS allows any."""
        return "cross-origin" if self.cors_origins else "same-origin"
