"""JSON logs on stderr, one object per line: ts, level, event, service, request_id, and what the caller adds.

User text is a JSON string like any other and cannot forge a line. Request id and user come from the request
in progress. Nobody logs tokens, keys or URLs with signatures; ``Principal`` and settings hide theirs in
``repr``.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

from servicekit.context import current

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
Level = Literal["debug", "info", "warning", "error"]


def configure_logging(service: str, level: Level = "info", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging (grpc, httpx) to ``stream`` as JSON lines."""
    output = stream or sys.stderr

    def add_request(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        request = current()
        if request is not None:
            event.setdefault("request_id", request.request_id)
            if request.method:
                event.setdefault("method", request.method)
            if request.principal is not None:
                event.setdefault("user", request.principal.subject)
        return event

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        add_request,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(dumps),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.INFO))
    # httpx logs every URL at INFO; ours may hold what does not belong in a log.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def dumps(value: object, **_: object) -> str:
    """JSON on one line; what JSON does not know is written as ``repr``; lone surrogates stay escapes."""
    return json.dumps(value, default=repr, separators=(",", ":"))
