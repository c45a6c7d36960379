"""What handlers work with; created once by ``gateway.bootstrap`` and available as ``Call.services``."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.config import GatewaySettings
from gateway.http.draining import Draining
from gateway.http.tickets import Tickets
from gateway.metrics import Metrics
from gateway.upstream.backend import Metadata, Storage
from gateway.upstream.feeds import Feeds
from gateway.upstream.readiness import Readiness
from gateway.upstream.turns import Turns
from servicekit.auth.authenticator import Authenticator
from servicekit.limits import Limiter


@dataclass(frozen=True, slots=True)
class Services:
    """Clients of both services, the authenticator, and process-wide budgets."""

    settings: GatewaySettings
    authenticator: Authenticator
    storage: Storage
    metadata: Metadata
    readiness: Readiness
    metrics: Metrics
    limiter: Limiter
    feeds: Feeds
    tickets: Tickets
    draining: Draining = field(default_factory=Draining)
    turns: Turns = field(default_factory=Turns)
