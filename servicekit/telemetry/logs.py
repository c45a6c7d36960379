"""JSON logs on stderr, one object per line: ts, level, event, service, request_id, and what the caller adds.

User text is a JSON string like any other and can't forge a line. Request id and user come from the request in
progress. Nothing logs tokens, keys or URLs with signatures; ``Principal`` and settings hide theirs in
``repr``, and every line is searched for credentials that a driver put into its exception.

The level of a request's or RPC's line depends on its result: see ``level_of_status``.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

import grpc
import structlog

from servicekit.context import RequestContext, current
from strongroom.errors import InternalTokenInvalid, StrongroomError

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
Level = Literal["debug", "info", "warning", "error"]

#: JSON on one line; unsupported values are written as ``repr``, non-ASCII characters as escapes.
encode: Final = json.JSONEncoder(separators=(",", ":"), default=repr).encode

#: For each secret: a text that it always contains, its pattern, its replacement. Most texts contain none, and
#: searching for a word takes a hundredth of the time of its pattern. Strangers write these texts (paths): a
#: pattern that fails at one character is not tried again at the next one of the same word.
_SECRETS: Final = (
    ("://", re.compile(r"\b(\w++://)[^/\s:@\"]*+:[^/\s@\"]*+@"), r"\1***@"),
    (" ", re.compile(r"(?i)\b(bearer +)[\w.~+/=-]+"), r"\1***"),
    ("=", re.compile(r"(?i)\b((?:password|passwd|secret|signature) ?= ?)[^\s&,;'\"\\]+"), r"\1***"),
    ("eyJ", re.compile(r"\beyJ[\w.-]{16,}+"), "***"),
    # Capabilities (links, shares, previews), also with the wrong method, or with more appended.
    ("/", re.compile(r"(?i)(/(?:l|s|api/preview)/)[^\s/?#\"'\\]{16,}"), r"\1***"),
)


def redact(text: str) -> str:
    """``text`` without passwords in URLs, bearer tokens, JWTs, tokens of links and ``password=…`` pairs."""
    for held, pattern, replacement in _SECRETS:
        if held in text:
            text = pattern.sub(replacement, text)
    return text


def timestamp() -> str:
    """Now, in the form of all lines: RFC 3339 in UTC with milliseconds, ``2026-01-31T08:15:30.123Z``."""
    seconds, millis = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Sink:
    """Writes the lines of one process; as structlog's innermost logger it has a method per level."""

    def __init__(self, service: str = "", level: Level = "info", stream: TextIO | None = None) -> None:
        self.service = service
        self.level = LEVELS[level]
        self._stream = stream

    def write(self, line: str) -> None:
        """Write one line. If the reader of stderr is gone, requests must not fail: then lines are lost."""
        stream = self._stream or sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            self._stream = None

    msg = debug = info = warning = error = critical = write

    def rpc(self, request: RequestContext, code: str, seconds: float, level: Level) -> None:
        """The line of a finished RPC, written without structlog because there is one for each.

        ``received`` and ``sent`` are bytes of messages.
        """
        if LEVELS[level] < self.level:
            return
        line = self._begin(level, "rpc", request)
        line["code"] = code
        if request.reason:
            line["reason"] = request.reason
        if request.advice:
            line["advice"] = request.advice
        line["ms"] = round(seconds * 1000, 2)
        if request.received or request.sent:
            line["received"] = request.received
            line["sent"] = request.sent
        if request.file_id:
            line["file_id"] = request.file_id
        if request.principal is not None and request.principal.internal is not None:
            line["caller"] = request.principal.internal
        self.write(encode(line))

    def http(self, request: RequestContext | None, fields: Mapping[str, object], level: Level) -> None:
        """The line of a finished HTTP request. ``fields`` are written unchanged: the caller's texts, which
        may contain credentials, have passed ``redact``.
        """
        if LEVELS[level] >= self.level:
            line = self._begin(level, "request", request)
            line.update(fields)
            self.write(encode(line))

    def _begin(self, level: Level, event: str, request: RequestContext | None) -> dict[str, object]:
        line: dict[str, object] = {
            "ts": timestamp(),
            "level": level,
            "event": event,
            "service": service_name(),
        }
        if request is not None:
            line["request_id"] = request.request_id
            if request.traceparent:
                line["trace_id"] = request.trace_id
            if request.method:
                line["method"] = request.method
            if request.principal is not None:
                line["user"] = request.principal.subject
                if request.principal.lent:
                    line["lent"] = True
        return line


_current_sink: Final = [Sink()]


def sink() -> Sink:
    """The destination of this process's lines."""
    return _current_sink[0]


#: The service of a task, if one process runs several.
_service: Final[ContextVar[str]] = ContextVar("strongroom_service")


def name_service(service: str) -> None:
    """Assign the lines of this task, and of all tasks begun by it, to ``service``."""
    _service.set(service)


def service_name() -> str:
    """The service of the current line."""
    return _service.get("") or sink().service


def configure_logging(service: str, level: Level = "info", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging to ``stream`` (stderr) as JSON lines."""
    target = _current_sink[0] = Sink(service, level, stream)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        _add_time,
        _add_request,
    ]
    rendering: list[Any] = [structlog.processors.format_exc_info, _render]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: target,
        cache_logger_on_first_use=False,
    )
    handler = _StandardHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.INFO))
    # httpx logs every URL at INFO, and URLs may contain secrets
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for name in ("grpc._cython.cygrpc", "uvicorn.error"):
        logging.getLogger(name).addFilter(_is_failure)


#: What grpc.aio logs as an error when a caller leaves with its answer unread, and uvicorn when an answer is
#: broken off, whose request has a line of its own.
_NO_FAILURES: Final = (
    "ExecuteBatchError raised in core",
    "ASGI callable returned without completing response",
)


def _is_failure(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_NO_FAILURES)


class _StandardHandler(logging.Handler):
    """Passes records of the standard library's logging to the sink."""

    def __init__(self, target: Sink) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        self._target.write(self.format(record))


def _add_time(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["ts"] = timestamp()
    return event


def _add_request(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["service"] = service_name()
    request = current()
    if request is not None:
        event.setdefault("request_id", request.request_id)
        if request.traceparent:
            event.setdefault("trace_id", request.trace_id)
        if request.method:
            event.setdefault("method", request.method)
        if request.principal is not None:
            event.setdefault("user", request.principal.subject)
            if request.principal.lent:
                event.setdefault("lent", True)
    return event


def _render(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return redact(encode(event))


#: Calls that services repeat whether there is work or not. They matter only at debug level, unless they fail.
POLLING: Final = frozenset(
    {
        "BeginVerification",
        "CheckCredential",
        "ClaimDeliveries",
        "ClaimKeys",
        "ClaimRestores",
        "ClaimScans",
        "ClaimScrub",
        "ClaimShard",
        "ClaimUnread",
        "ClaimWork",
        "FilterSettledKeys",
        "FilterUnrecordedVersions",
        "FindErased",
        "GetInstallation",
        "ListLiveSegments",
        "RenewAct",
        "RenewLease",
        "RenewSave",
        "RenewShard",
        "ReportReplica",
        "TakeStock",
    }
)
#: HTTP statuses of callers who are not allowed, or ask too much.
_REFUSED: Final = frozenset({401, 403, 429})
_CODE: Final = grpc.StatusCode
#: Failures of servers that callers have named, and reads of what is kept in an archive class.
_ELSEWHERE: Final = frozenset({"SOURCE_URL_FAILED", "OBJECT_ARCHIVED"})
#: For codes that did not come from our own errors.
_STATUSES: Final[Mapping[grpc.StatusCode, int]] = {
    _CODE.OK: 200,
    _CODE.CANCELLED: 200,
    _CODE.INTERNAL: 500,
    _CODE.UNKNOWN: 500,
    _CODE.DATA_LOSS: 500,
    _CODE.UNAVAILABLE: 503,
    _CODE.DEADLINE_EXCEEDED: 504,
}


def level_of_status(status: int, *, quiet: bool, reason: str = "") -> Level:
    """The level of a log line by HTTP status: our failures (5xx) are error; a caller who is not allowed or
    asks too much is warning; the rest is ordinary. Callers should not be able to cause errors at will.

    ``quiet``: a probe, or one of ``POLLING``. ``reason``: the name of the error's reason.
    """
    if status >= 500 and reason not in _ELSEWHERE:
        return "error"
    if status in _REFUSED:
        return "warning"
    return "debug" if quiet and status < 400 else "info"


def level_of(code: grpc.StatusCode, error: StrongroomError | None, *, quiet: bool) -> Level:
    """The level of a log line for an RPC that ended with ``code``, and with ``error`` if it was one of
    ours.
    """
    if isinstance(error, InternalTokenInvalid):
        return "warning"  # any caller can send one; a real one has its own line of level error
    status = error.http_status if error is not None else _STATUSES.get(code, 400)
    return level_of_status(status, quiet=quiet, reason=error.reason_name if error is not None else "")
