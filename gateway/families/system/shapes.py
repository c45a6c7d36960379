"""The shapes of bodies and answers: health, readiness, metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.problems import Problem
from gateway.http.shapes import example

_CHECKS = (
    "storage, metadata, postgres, s3, versioning (of the bucket), internal"
    " (metadata_service accepts storage_service's credential), each loop of the services:"
    " `ok`, or why not (s3, versioning: the bucket's state, e.g. `storage_service says"
    " bucket_missing`)."
)


class Health(TypedDict):
    """The process is alive."""

    status: Literal["ok"]


class Serving(Health):
    """The process takes requests; which build it is."""

    version: Annotated[str, Field(examples=["0.1.0"])]
    commit: Annotated[str, Field(description="Empty if unknown.", examples=["4777bc1"])]
    protocol: Annotated[str, Field(description="Of the gRPC packages.", examples=["v1"])]


class Ready(TypedDict):
    """Everything behind the gateway answers."""

    status: Literal["ready"]
    checks: Annotated[
        dict[str, str],
        Field(
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
        ),
    ]


NOT_READY_EXAMPLE: NotReady = {
    "type": "urn:strongroom:problem:SERVICE_UNAVAILABLE",
    "title": "Service unavailable",
    "status": 503,
    "detail": "Not ready: postgres: no answer.",
    "code": "SERVICE_UNAVAILABLE",
    "request_id": "7f3c1d2ab6e04f5e9a43c0d1e2f3a4b5",
    "success": False,
    "message": "Not ready: postgres: no answer.",
    "checks": {"storage": "ok", "metadata": "ok", "postgres": "no answer", "s3": "ok"},
}


@example(NOT_READY_EXAMPLE)
class NotReady(Problem):
    """A problem that names each check."""

    checks: Annotated[dict[str, str], Field(description=_CHECKS)]
