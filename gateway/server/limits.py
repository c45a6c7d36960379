"""How much of a connection one client may have (docs/limits.md). Seconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config import GatewaySettings


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """See the settings of the same names."""

    max_connections: int
    header_seconds: float
    max_header_bytes: int
    body_idle_seconds: float
    body_rate_window: float
    min_body_rate: int
    send_idle_seconds: float

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> ConnectionLimits:
        """The limits that the settings state."""
        return cls(**{name: getattr(settings, name) for name in cls.__slots__})
