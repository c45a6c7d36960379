"""Health, readiness, metrics."""

from __future__ import annotations

from gateway.families.system.shapes import Health, NotReady, Ready, Serving
from gateway.operations.docs import Doc, Success

TITLE = "System"

TEXT = "Health, metrics and documentation of the gateway. No token is needed."

DOCS = {
    "livez": Doc("Is the process alive?", {200: Success("Alive", {"application/json": Health})}),
    "healthz": Doc("Does the process take requests?", {200: Success("Yes", {"application/json": Serving})}),
    "readyz": Doc(
        "Is everything reachable?",
        {
            200: Success("Ready", {"application/json": Ready}),
            503: Success("Not ready", {"application/problem+json": NotReady}),
        },
    ),
    "metrics": Doc(
        "Prometheus metrics", {200: Success("Text format 0.0.4", {"text/plain": {"type": "string"}})}
    ),
}
