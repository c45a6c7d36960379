"""Binds addresses before anything else is started, so that a taken address is reported early."""

from __future__ import annotations

import dataclasses
import socket
from typing import Final

from gateway.config import GatewaySettings
from gateway.server.serve import bind
from servicekit.net import join_address, split_address
from servicekit.serving.server import RunningServer, ServerSpec
from servicekit.settings import CommonSettings, SettingError
from servicekit.telemetry.rpcs import Metrics
from strongroom_server.targets import Share

_SHARED_PORT: Final = ("grpc.so_reuseport", 1)


class Door:
    """The gateway's settings and its bound socket."""

    def __init__(self, settings: GatewaySettings, share: Share) -> None:
        self.settings = settings
        self.listener: socket.socket = bind(settings, shared=share.shared)


def grpc_server(settings: CommonSettings, spec: ServerSpec, metrics: Metrics, share: Share) -> RunningServer:
    """A bound server. Raises PortTaken, SettingError."""
    if share.shared:
        spec = dataclasses.replace(spec, options=(*spec.options, _SHARED_PORT))
    return RunningServer(settings, spec, metrics)


def metrics_address(settings: CommonSettings, share: Share) -> str | None:
    """This process's address for metrics: workers use consecutive ports."""
    if settings.metrics_bind is None or share.number < 2:
        return settings.metrics_bind
    try:
        host, port = split_address(settings.metrics_bind)
    except ValueError as error:
        raise SettingError("STRONGROOM_METRICS_BIND", str(error)) from None
    return join_address(host, port + share.number - 1 if port else 0)
