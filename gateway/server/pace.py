"""Limits on one client's use of a connection (docs/limits.md): when it counts as too slow. Only time in which
the gateway was ready counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config import GatewaySettings


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits for each connection. The fields are those of ``GatewaySettings``."""

    max_connections: int
    header_seconds: float
    max_header_bytes: int
    body_idle_seconds: float
    body_rate_window: float
    min_body_rate: int
    send_idle_seconds: float

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> ConnectionLimits:
        """The limits in the settings."""
        return cls(**{name: getattr(settings, name) for name in cls.__slots__})


class BodyPace:
    """Measures the bodies on one connection: time without progress, and the mean rate over windows."""

    __slots__ = ("_limits", "_owner", "_progress_at", "_received", "_window_at", "_window_received")

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._owner: object = None
        self._received = self._window_received = 0
        self._progress_at = self._window_at = 0.0

    def paused(self, received: int, now: float) -> None:
        """Start over, because the gateway itself was not reading."""
        self._received = self._window_received = received
        self._progress_at = self._window_at = now

    def measures_too_slow(self, owner: object, received: int, now: float) -> bool:
        """Measure the body of ``owner`` (the request); whether it is too slow. ``received``: bytes
        so far; ``now``: seconds.
        """
        if owner is not self._owner:
            self._owner = owner
            self.paused(received, now)
            return False
        if received != self._received:
            self._received, self._progress_at = received, now
        elif now - self._progress_at > self._limits.body_idle_seconds:
            return True
        elapsed = now - self._window_at
        if elapsed < self._limits.body_rate_window:
            return False
        slow = received - self._window_received < self._limits.min_body_rate * elapsed
        self._window_at, self._window_received = now, received
        return slow


class SendPace:
    """Measures the responses on one connection: whether the client reads anything at all."""

    __slots__ = ("_limits", "_owner", "_since", "_waiting")

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._owner: object = None
        self._waiting = 0
        self._since = 0.0

    def measures_stuck(self, owner: object, waiting: int, now: float) -> bool:
        """Measure ``owner``'s response; whether its ``waiting`` bytes (0: none) have not decreased for too
        long.
        """
        if owner is not self._owner or not waiting or waiting != self._waiting:
            self._owner, self._waiting, self._since = owner, waiting, now
            return False
        return now - self._since > self._limits.send_idle_seconds
