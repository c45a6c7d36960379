"""Health, readiness, metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from gateway.operations.docs import Doc, Success
from gateway.operations.problem import Problem

TITLE = "System"
TEXT = "What runs the gateway. No token is asked for."


_CHECKS = (
    "storage, metadata, postgres, s3, versioning (of the bucket), internal (storage is believed by metadata),"
    " each loop of the services: `ok`, or why not (s3, versioning: the"
    " bucket's state, e.g. `storage_service says bucket_missing`)."
)


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Everything behind the gateway answers."""

    status: Literal["ready"]
    checks: dict[str, str] = Field(
        description=_CHECKS,
        examples=[
            {
                "storage": "ok",
                "metadata": "ok",
                "postgres": "ok",
                "s3": "ok",
                "versioning": "ok",
                "internal": "ok",
            }
        ],
    )


class NotReady(Problem):
    """A problem that names each check."""

    checks: dict[str, str] = Field(description=_CHECKS)


DOCS = {
    "livez": Doc("Is the process alive?", {200: Success("Alive", {"application/json": Health})}),
    "healthz": Doc(
        "Does the process take requests?", {200: Success("It does", {"application/json": Health})}
    ),
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
