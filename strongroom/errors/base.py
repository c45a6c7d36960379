"""The base class of Strongroom's exceptions, and the table from ErrorReason to class.

Import ``strongroom.errors`` instead; this module lets the classes and their wire form share the base class
without importing each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import grpc

from strongroom.type.v1.error_reason_pb2 import ErrorReason

PREFIX = "ERROR_REASON_"

#: ErrorReason number → exception class; complete once ``strongroom.errors`` is imported.
REASONS: dict[int, type[StrongroomError]] = {}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of one request field.

    ``field``: path in the request message (``spec.target.path``); ``rule``: machine-readable id of the rule
    (``string.max_len``); ``message``: what is wrong, for people.
    """

    field: str
    rule: str
    message: str


class StrongroomError(Exception):
    """Base class of all errors that Strongroom reports; each subclass is one ErrorReason.

    ``reason`` is the ErrorReason number, ``code`` the gRPC status, ``http_status`` the gateway's status.
    ``message`` is for users and says what to do. ``metadata`` are the ErrorInfo keys documented at the reason
    in ``error_reason.proto``. ``retry_after`` (seconds) is sent as RetryInfo, ``violations`` as BadRequest.
    ``advice`` is only for the operator (settings, permissions): it is in the log of the process that raised
    the error and in no answer. ``transport_details`` is gRPC's text if the error did not come from Strongroom
    itself (a name that does not resolve, a refused connection): for logs and terminals, never for HTTP
    answers.
    """

    reason: ClassVar[ErrorReason.ValueType]
    code: ClassVar[grpc.StatusCode]
    http_status: ClassVar[int]

    def __init_subclass__(
        cls, *, code: grpc.StatusCode, http_status: int, reason: str | None = None, **rest: object
    ) -> None:
        super().__init_subclass__(**rest)
        name = reason or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).upper()
        cls.reason = ErrorReason.Value(PREFIX + name)
        cls.code = code
        cls.http_status = http_status
        REASONS[cls.reason] = cls

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        field: str | None = None,
        rule: str | None = None,
        violations: Sequence[Violation] = (),
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: dict[str, str] = {key: str(value) for key, value in (metadata or {}).items()}
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.advice = advice
        self.transport_details = ""
        if field is not None:
            self.metadata.setdefault("field", field)
            self.metadata.setdefault("rule", rule or "")
            self.violations = self.violations or (Violation(field, rule or "", message),)

    @property
    def reason_name(self) -> str:
        """The reason's name on the wire, such as ``FILE_NOT_FOUND``."""
        return ErrorReason.Name(self.reason).removeprefix(PREFIX)

    @property
    def field(self) -> str | None:
        """The request field at fault, or None."""
        return self.metadata.get("field") or None
