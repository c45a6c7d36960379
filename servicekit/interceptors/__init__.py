"""The stages around every RPC, in fixed order: request id, telemetry, auth, validation, errors.

``build_interceptors`` returns the list for ``grpc.aio.server``. See ``pipeline.py`` for the order, and why
the stages share one interceptor.
"""

from __future__ import annotations

from collections.abc import Sequence

from servicekit.auth.authenticator import Authenticator
from servicekit.drain import Drain
from servicekit.interceptors.caller import OPEN_SERVICES, REFLECTION_SERVICES, AuthPolicy
from servicekit.interceptors.door import Door
from servicekit.interceptors.pipeline import Pipeline
from servicekit.settings import SEND_IDLE_SECONDS
from servicekit.telemetry.rpcs import Metrics

__all__ = ["OPEN_SERVICES", "REFLECTION_SERVICES", "AuthPolicy", "Pipeline", "build_interceptors"]


def build_interceptors(
    *,
    authenticator: Authenticator,
    metrics: Metrics,
    policy: AuthPolicy,
    drain: Drain,
    send_idle_seconds: float = SEND_IDLE_SECONDS,
    door: Door | None = None,
    remote: bool = False,
) -> Sequence[Pipeline]:
    """The interceptors of a server: one with all stages."""
    pipeline = Pipeline(
        authenticator=authenticator,
        metrics=metrics,
        policy=policy,
        drain=drain,
        send_idle_seconds=send_idle_seconds,
        door=door,
        remote=remote,
    )
    return (pipeline,)
