"""Errors of a request or its bytes, which the caller can fix."""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.errors.base import StrongroomError


class MalformedRequest(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=400):
    """The request can't be parsed (JSON, multipart framing, a header)."""


class InvalidField(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """A field breaks its rule. Metadata: ``field``, ``rule``."""


class UploadIncomplete(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=400):
    """The stream or body ended before ``finish_write`` or the final boundary."""


class SizeMismatch(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=400):
    """The bytes received are not as many as were declared. Metadata: ``expected``, ``actual``."""


class ChecksumMismatch(StrongroomError, code=Code.DATA_LOSS, http_status=422):
    """The bytes received don't match a checksum that was sent.

    Metadata: ``algorithm``, ``expected``, ``actual``.
    """


class ChunkTooLarge(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=413):
    """One gRPC message carries more data than allowed. Metadata: ``limit``."""


class InvalidPageToken(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The page token is not one of ours, or belongs to another query."""


class UnsupportedMediaType(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=415):
    """The route does not accept the request's media type. Metadata: ``expected``."""


class ContentTypeMismatch(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The bytes are not of the declared type. Metadata: ``declared``, ``detected``."""


class ContentTypeNotAllowed(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The type is not on the family's list. Metadata: ``detected``, ``allowed``."""


class ContentInfected(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The scanner for malware has found something in the upload, which is not stored, or in a stored file.

    In the latter case the signature was not known when the file was stored. Metadata: ``signature``.
    """


class ArchiveInvalid(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The ZIP breaks a rule. Metadata: ``rule``, ``entry``."""


class PathInvalid(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """A path breaks a rule. Metadata: ``path``, ``rule``."""


class PictureRefused(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The picture has too many pixels, or isn't one. Metadata: ``rule``, ``limit``, ``width``, ``height``."""


class IdempotencyKeyReused(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The idempotency key was used before, for another request."""


class OffsetOutOfRange(StrongroomError, code=Code.OUT_OF_RANGE, http_status=409):
    """The chunk begins after the persisted bytes. Metadata: ``persisted_size``."""


class RangeNotSatisfiable(StrongroomError, code=Code.OUT_OF_RANGE, http_status=416):
    """No byte of the range exists. Metadata: ``size``."""


class SourceUrlRefused(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The source URL is refused (scheme, port, address, credentials). Metadata: ``rule``."""


class MethodNotAllowed(StrongroomError, code=Code.UNIMPLEMENTED, http_status=405):
    """The route exists, but not with this method. Metadata: ``allow``."""
