"""Converts StrongroomError to ``google.rpc.Status`` and back; no other module does.

Sizes: gRPC drops trailers at random if the metadata of an answer exceeds 8 KiB (a soft limit of C-core), and
the status is sent twice: as ``grpc-message`` (percent-encoded) and in ``grpc-status-details-bin`` (base64).
So the encoded message is cut at ``MAX_MESSAGE_BYTES`` and the whole Status at ``MAX_STATUS_BYTES``: at most
7.5 KiB on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from strongroom.errors.base import PREFIX, REASONS, StrongroomError, Violation
from strongroom.type.v1.error_reason_pb2 import ErrorReason

DOMAIN = "strongroom"
MAX_MESSAGE_BYTES = 1536
MAX_STATUS_BYTES = 4608
MAX_VALUE_BYTES = 512
DETAILS_KEY = "grpc-status-details-bin"

_QUOTAS = {"QUOTA_EXCEEDED": "bytes", "FILE_COUNT_EXCEEDED": "files"}
_RESOURCES = {
    "FILE_NOT_FOUND": "file",
    "UPLOAD_NOT_FOUND": "upload",
    "PROJECT_NOT_FOUND": "project",
    "VERSION_NOT_FOUND": "version",
}

#: For statuses without our ErrorInfo (gRPC's own, or a proxy's): reason, and a message for users.
_BY_CODE: dict[grpc.StatusCode, tuple[str, str]] = {
    grpc.StatusCode.CANCELLED: ("CANCELLED", "The call was cancelled."),
    grpc.StatusCode.INVALID_ARGUMENT: ("MALFORMED_REQUEST", "The service refused the request as malformed."),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED", "The service did not answer in time."),
    grpc.StatusCode.NOT_FOUND: ("NOT_FOUND", "There is no such resource."),
    grpc.StatusCode.ALREADY_EXISTS: ("ALREADY_EXISTS", "The name is taken."),
    grpc.StatusCode.PERMISSION_DENIED: ("PERMISSION_DENIED", "The caller may not do this."),
    grpc.StatusCode.UNAUTHENTICATED: ("TOKEN_INVALID", "The service did not accept the credentials."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        "OVERLOADED",
        "The service is at a limit (message size or calls in flight); send smaller messages or try later.",
    ),
    grpc.StatusCode.FAILED_PRECONDITION: ("PRECONDITION_FAILED", "The state of the resource forbids this."),
    grpc.StatusCode.ABORTED: ("REQUEST_IN_PROGRESS", "The call was overtaken by another one; try again."),
    grpc.StatusCode.OUT_OF_RANGE: ("RANGE_NOT_SATISFIABLE", "The range lies outside of the file."),
    grpc.StatusCode.UNIMPLEMENTED: (
        "NOT_IMPLEMENTED",
        "The service does not offer this call; are the two addresses exchanged, or is it an older release?",
    ),
    grpc.StatusCode.UNAVAILABLE: (
        "SERVICE_UNAVAILABLE",
        "A Strongroom service does not answer; check that it runs and is reachable, then try again.",
    ),
    grpc.StatusCode.DATA_LOSS: ("OBJECT_LOST", "Data is missing or damaged."),
}
_KNOWN = frozenset(name.removeprefix(PREFIX) for name in ErrorReason.keys())  # noqa: SIM118 - not a dict
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_INTERNAL = ("INTERNAL", "The service failed; its log has the reason under the request id.")


def clipped(text: str, limit: int) -> str:
    """Return ``text`` cut to at most ``limit`` bytes in the percent-encoding of ``grpc-message``.

    Lone surrogates, which can't be encoded, become ``?``.
    """
    clean = text.encode("utf-8", "replace").decode("utf-8")
    if len(quote(clean)) <= limit:
        return clean
    room, end = limit - len(quote("…")), 0
    for end, char in enumerate(clean):  # noqa: B007 - the index is wanted after the loop
        room -= len(quote(char))
        if room < 0:
            break
    return clean[:end] + "…"


def to_status_proto(error: StrongroomError) -> status_pb2.Status:
    """Return ``error`` as ``google.rpc.Status``: ErrorInfo, RetryInfo, BadRequest, QuotaFailure or
    ResourceInfo.

    At most ``MAX_STATUS_BYTES``. Details that don't fit are omitted, ErrorInfo last.
    """
    code: int = error.code.value[0]
    status = status_pb2.Status(code=code, message=clipped(error.message, MAX_MESSAGE_BYTES))
    for detail in _details(error):
        status.details.add().Pack(detail)
        if status.ByteSize() > MAX_STATUS_BYTES:
            del status.details[-1]
    return status


def _details(error: StrongroomError) -> Iterable[_Detail]:
    yield _error_info(error)
    if error.retry_after is not None:
        seconds = max(0.0, error.retry_after)
        delay = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    if error.violations:
        yield _bad_request(error.violations)
    if error.reason_name in _QUOTAS:
        quota = error_details_pb2.QuotaFailure()
        description = clipped(error.message, MAX_VALUE_BYTES)
        quota.violations.add(subject=_QUOTAS[error.reason_name], description=description)
        yield quota
    if error.reason_name in _RESOURCES:
        yield error_details_pb2.ResourceInfo(resource_type=_RESOURCES[error.reason_name])


_Detail = (
    error_details_pb2.ErrorInfo
    | error_details_pb2.RetryInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.QuotaFailure
    | error_details_pb2.ResourceInfo
)


def _error_info(error: StrongroomError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo(reason=error.reason_name, domain=DOMAIN)
    room = MAX_STATUS_BYTES // 2 - MAX_MESSAGE_BYTES // 2
    for key, value in error.metadata.items():
        text = clipped(value, MAX_VALUE_BYTES)
        room -= len(key) + len(text.encode())
        if room < 0:
            break
        info.metadata[key] = text
    return info


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    found = error_details_pb2.BadRequest()
    for violation in violations:
        found.field_violations.add(
            field=clipped(violation.field, MAX_VALUE_BYTES),
            reason=clipped(violation.rule, MAX_VALUE_BYTES),
            description=clipped(violation.message, MAX_VALUE_BYTES),
        )
        if found.ByteSize() > MAX_STATUS_BYTES // 3:
            del found.field_violations[-1]
            break
    return found


def from_rpc_error(error: grpc.RpcError) -> StrongroomError:
    """Return the typed exception for a failed call.

    With ErrorInfo of domain ``strongroom`` it is the class of its reason, with message, metadata, retry_after
    and violations as raised. Otherwise it is a class chosen by the status code, with a general message;
    gRPC's own text is in ``transport_details``. A reason that this release doesn't know keeps its message.
    """
    code, details = _code_and_details(error)
    return _typed(code, details, _Found.of(error))


def from_status_proto(status: status_pb2.Status) -> StrongroomError:
    """Return the typed exception for one ``google.rpc.Status`` of a batch, by the rules of
    ``from_rpc_error``.
    """
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    return _typed(code, status.message, _Found.in_status(status))


def _typed(code: grpc.StatusCode, details: str, found: _Found) -> StrongroomError:
    name, message = _BY_CODE.get(code, _INTERNAL)
    if found.ours:
        name = found.reason if found.reason in _KNOWN else name
        message = details
    kind = REASONS[ErrorReason.Value(PREFIX + name)]
    result = kind(
        message, metadata=found.metadata, retry_after=found.retry_after, violations=found.violations
    )
    if not found.ours:
        result.transport_details = details
    return result


@dataclass
class _Found:
    """The contents of a Status's details."""

    ours: bool = False
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    violations: list[Violation] = field(default_factory=list)

    @classmethod
    def of(cls, error: grpc.RpcError) -> _Found:
        """Return the details; empty if there are none or they are unreadable, so that the code decides."""
        try:
            return cls.in_status(status_pb2.Status.FromString(_details_bytes(error)))
        except DecodeError:
            return cls()

    @classmethod
    def in_status(cls, status: status_pb2.Status) -> _Found:
        """Parse the details.

        :raises DecodeError: a detail can't be read.
        """
        found = cls()
        for detail in status.details:
            found.add(detail.TypeName(), detail.value)
        return found

    def add(self, name: str, value: bytes) -> None:
        if name == "google.rpc.RetryInfo":
            delay = error_details_pb2.RetryInfo.FromString(value).retry_delay
            self.retry_after = delay.seconds + delay.nanos / 1e9
        elif name == "google.rpc.BadRequest":
            fields = error_details_pb2.BadRequest.FromString(value).field_violations
            self.violations = [Violation(one.field, one.reason, one.description) for one in fields]
        elif name == "google.rpc.ErrorInfo":
            info = error_details_pb2.ErrorInfo.FromString(value)
            self.ours = info.domain == DOMAIN
            self.reason = info.reason
            self.metadata = dict(info.metadata)


def _code_and_details(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return error.code(), error.details() or ""
    return grpc.StatusCode.UNKNOWN, str(error)


def _details_bytes(error: grpc.RpcError) -> bytes:
    """Return the serialized Status in the trailers; empty if there is none."""
    if isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS_KEY and isinstance(value, bytes):
                return value
    return b""
