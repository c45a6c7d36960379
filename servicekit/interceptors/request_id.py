"""First stage: who is asking under which id, and until when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from servicekit.context import (
    AUTHORIZATION,
    GATEWAY,
    INTERNAL,
    REQUEST_ID,
    TRACEPARENT,
    RequestContext,
    arrival,
    clean_request_id,
    clean_traceparent,
    set_current,
)
from servicekit.method import ServicerContext
from servicekit.tokens import refuse


@dataclass(slots=True)
class Credentials:
    """What the caller sent to prove who they are; ``repeated``: a header came twice."""

    authorization: str | None = None
    internal: str | None = None
    gateway: str | None = None
    repeated: bool = False

    def check_unique(self) -> None:
        """A header sent twice could be read differently by two hops.

        :raises TokenInvalid: ``authorization`` or the internal credential came more than once.
        """
        if self.repeated:
            refuse("authorization was sent more than once")


def begin(method: str, context: ServicerContext) -> tuple[RequestContext, Credentials]:
    """Read the metadata once and make the request current."""
    request_id = traceparent = None
    credentials = Credentials()
    for key, value in context.invocation_metadata() or ():
        if not isinstance(value, str):
            continue
        if key == AUTHORIZATION:
            credentials.repeated |= credentials.authorization is not None
            credentials.authorization = value
        elif key == INTERNAL:
            credentials.repeated |= credentials.internal is not None
            credentials.internal = value
        elif key == GATEWAY:
            credentials.gateway = value
        elif key == REQUEST_ID:
            request_id = value
        elif key == TRACEPARENT:
            traceparent = value
    request = RequestContext(
        clean_request_id(request_id),
        method=method,
        deadline=_deadline(context),
        traceparent=clean_traceparent(traceparent),
        arrived=arrival(),
    )
    set_current(request)

    return request, credentials


def _deadline(context: Any) -> float | None:
    seconds = context.time_remaining()
    return None if seconds is None else time.monotonic() + seconds
