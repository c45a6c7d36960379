"""Explains failures: one line, a hint and an exit code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import IntEnum

import grpc

from strongroom import errors
from strongroom.client.settings import ConfigurationError
from strongroom.client.spooling.disk import SpoolFull
from strongroom.errors.base import REASONS


class ExitCode(IntEnum):
    """Exit codes of the process; part of the contract (docs/cli.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    REFUSED = 5
    CONFLICT = 6
    UNAVAILABLE = 7
    DAMAGED = 8
    LOCAL_FILE = 9
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class UsageProblem(Exception):
    """The command's arguments can't work; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure. ``code``: for programs, an ErrorReason or a word of the command line's own. The rest is
    for people.
    """

    code: str
    message: str
    hint: str
    exit_code: ExitCode

    def as_dict(self) -> dict[str, str]:
        """Return the problem for ``--json``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


_EXIT_CODES = {
    grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED: ExitCode.NOT_ALLOWED,
    grpc.StatusCode.PERMISSION_DENIED: ExitCode.NOT_ALLOWED,
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.REFUSED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExitCode.REFUSED,
    grpc.StatusCode.OUT_OF_RANGE: ExitCode.REFUSED,
    grpc.StatusCode.ALREADY_EXISTS: ExitCode.CONFLICT,
    grpc.StatusCode.ABORTED: ExitCode.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: ExitCode.CONFLICT,
    grpc.StatusCode.UNAVAILABLE: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS: ExitCode.DAMAGED,
}
#: Problems of the service's set-up, or temporary ones, that are not a conflict with the request.
_NOT_THE_REQUEST = (
    errors.ObjectArchived,
    errors.ObjectStoreDenied,
    errors.ObjectStoreFull,
    errors.ObjectStoreNoCredentials,
    errors.ObjectStoreRefused,
    errors.ObjectStoreWrongRegion,
    errors.BucketMissing,
    errors.BucketNotVersioned,
)

_HINTS: dict[type[errors.StrongroomError], str] = {
    errors.TokenMissing: "give --token or set STRONGROOM_TOKEN; in development: strongroom token --sub NAME",
    errors.TokenInvalid: "is the token from this installation? in development: strongroom token --sub NAME",
    errors.TokenExpired: "get a new token; in development: strongroom token --sub NAME",
    errors.FileNotFound: "`strongroom ls` lists what you have; other users' files are not shown",
    errors.ContentTypeMismatch: "leave --type out to let the service detect it",
    errors.QuotaExceeded: "`strongroom usage` shows the limits; `strongroom rm` makes room",
    errors.FileCountExceeded: "`strongroom usage` shows the limits; `strongroom rm` makes room",
    errors.PreconditionFailed: "the file was changed meanwhile; `strongroom stat` shows its present state",
    errors.ObjectArchived: "it is being restored; `strongroom notify watch` tells when it can be read",
    errors.RateLimited: "wait a little and try again",
    errors.PermissionDenied: "in development: strongroom token --sub NAME --role admin",
    errors.UserMismatch: "--for-user needs a token with the admin role",
}


_MAKE_ROOM = "make room there, or put STRONGROOM_SPOOL elsewhere; `strongroom spool ls` shows what waits"


def explain(error: BaseException) -> Problem:
    """Return the problem for an exception, including unexpected ones."""
    match error:
        case errors.StrongroomError():
            return _strongroom(error)
        case SpoolFull():
            return Problem("SPOOL_FULL", _os_error(error), _MAKE_ROOM, ExitCode.LOCAL_FILE)
        case OSError():
            exists = isinstance(error, FileExistsError)
            code = ExitCode.CONFLICT if exists else ExitCode.LOCAL_FILE
            return Problem("LOCAL_FILE", _os_error(error), "", code)
        case KeyboardInterrupt() | asyncio.CancelledError():
            return Problem("INTERRUPTED", "interrupted", "", ExitCode.INTERRUPTED)
        case UsageProblem() | ValueError() | OverflowError():
            word = "CONFIGURATION" if isinstance(error, ConfigurationError) else "USAGE"
            return Problem(word, _usage(error), "", ExitCode.USAGE)
    message = f"{type(error).__name__}: {error}"
    return Problem("BUG", message, "this is a bug; run with --debug for the stack", ExitCode.FAILED)


def _usage(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):  # bytes of an argument or a variable, as Python keeps them
        return f"{error.object[:100]!a} is not UTF-8"
    # Values that a field can't contain are refused by protobuf, whose message doesn't name the option.
    return str(error).replace("Value out of range: ", "a number is out of range: ")


def _strongroom(error: errors.StrongroomError) -> Problem:
    exit_code = _EXIT_CODES.get(error.code, ExitCode.FAILED)
    if isinstance(error, _NOT_THE_REQUEST):
        exit_code = ExitCode.UNAVAILABLE
    hint = _HINTS.get(type(error), "")
    if isinstance(error, errors.ServiceUnavailable):
        hint = "are the services running, and the addresses right? `strongroom doctor` checks"
    elif exit_code is ExitCode.UNAVAILABLE:
        hint = hint or "`strongroom doctor` shows what is wrong"
    message = error.message
    if error.transport_details:
        message = f"{message} ({error.transport_details})"
    if error.retry_after is not None:
        hint = f"try again in {max(1, round(error.retry_after))} s" + (f"; {hint}" if hint else "")
    notes = [note for note in getattr(error, "__notes__", []) if _wanted(note, error)]
    return Problem(error.reason_name, message, "; ".join(filter(None, [*notes, hint])), exit_code)


def exit_code_of(reason: str) -> ExitCode:
    """Return the exit code of an ErrorReason's name, or of a word of the command line's own."""
    kinds = {kind("").reason_name: kind for kind in REASONS.values()}
    return explain(kinds[reason]("")).exit_code if reason in kinds else ExitCode.FAILED


def _wanted(note: str, error: errors.StrongroomError) -> bool:
    """Whether to show a note: gRPC's text is in the message, and the request id helps only if the services'
    logs have more.
    """
    if note == f"gRPC: {error.transport_details}":
        return False
    return isinstance(error, errors.Internal) or not note.startswith("request id")


def _os_error(error: OSError) -> str:
    if error.filename is None:
        return error.strerror or str(error)
    return f"{error.filename}: {error.strerror}"
