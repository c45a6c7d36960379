"""Errors of the object store, and their translation into the contract's errors.

Adapters translate every driver error into this tree exactly once (``s3/errors.py``); the code above them sees
neither botocore, urllib3 nor an HTTP status. ``str(error)`` says what to do. It is for operators where only
they can act (settings, permissions), and contains no key, host, bucket or secret; ``told`` is the text for
users. Facts for the log are in the attributes and in ``__cause__``. ``translated`` is the only boundary
between this tree and the contract's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from strongroom import errors

_NOT_YOURS = "The object store is not working, which only its operator can fix; try again later."


class StoreError(Exception):
    """Base class of all object-store errors.

    ``retryable``: the same call may succeed later without any change. ``outcome_unknown``: the request may
    have been applied although it failed (time-out, reset, 5xx); read the state (HEAD) before undoing anything
    (rule R4). ``retry_after``: seconds, if the store named them. ``waited``: seconds of silence, set if the
    call spent other time on transferring a body.
    """

    retryable: ClassVar[bool] = False
    advice: ClassVar[str] = "The object store failed."
    #: For users, if ``advice`` is for the operator.
    _told: ClassVar[str] = ""

    def __init__(
        self,
        message: str | None = None,
        *,
        operation: str = "",
        outcome_unknown: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
        store_code: str | None = None,
        store_request_id: str | None = None,
    ) -> None:
        super().__init__(message or self.advice)
        self.operation = operation
        self.outcome_unknown = outcome_unknown
        self.retry_after = retry_after
        self.http_status = http_status
        self.store_code = store_code
        self.store_request_id = store_request_id
        self.waited: float | None = None

    @property
    def told(self) -> str:
        """The text for users, without settings, permissions and regions."""
        return self._told or str(self)


class ObjectNotFound(StoreError):
    """No object (or no such version of it) under this key."""

    advice = "The object does not exist in the object store."


class UploadNotFound(StoreError):
    """The multipart upload doesn't exist: completed, aborted or expired. HEAD on the key tells which."""

    advice = "The multipart upload no longer exists in the object store; start the upload again."


class PreconditionFailed(StoreError):
    """If-Match or If-None-Match did not hold."""

    advice = "The object changed meanwhile or exists already; read it again before repeating the request."


class ChecksumMismatch(StoreError):
    """The received bytes don't match their checksum; nothing was stored."""

    advice = "The object store received other bytes than were sent (checksum mismatch); send them again."
    retryable = True


class RangeNotSatisfiable(StoreError):
    """The range begins at or after the end of the object."""

    advice = "The requested range lies outside of the object."


class StoreThrottled(StoreError):
    """503 SlowDown or 429: too many requests; not applied."""

    advice = "The object store asks to slow down; try again in a moment."
    retryable = True


class StoreUnavailable(StoreError):
    """5xx other than throttling, an answer that is not S3, or a body that ended early."""

    advice = "The object store failed to answer properly; try again in a moment."
    retryable = True


class StoreUnreachable(StoreError):
    """No connection: name, port, TLS or network."""

    advice = (
        "The object store cannot be reached; check that it runs and that its endpoint URL, port and TLS"
        " settings (AWS_S3_ENDPOINT_URL, AWS_S3_USE_SSL, AWS_S3_VERIFY_SSL) are right."
    )
    _told = "The object store cannot be reached at the moment; try again later."
    retryable = True


class StoreTimeout(StoreError):
    """No answer within the time limits."""

    advice = "The object store did not answer in time; try again in a moment."
    retryable = True


class AccessDenied(StoreError):
    """The store doesn't accept the credentials, or they lack a permission."""

    advice = (
        "The object store refused access; check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        " and that their policy allows this operation on the bucket."
    )
    _told = _NOT_YOURS


class ObjectArchived(StoreError):
    """The object is in an archive class (GLACIER, DEEP_ARCHIVE) and has to be restored before it can
    be read.
    """

    advice = (
        "The bytes are in an archive class of the object store and have to be brought back before they can be"
        " read, which takes between minutes and two days."
    )


class RestoreUnderWay(StoreError):
    """The object is being restored already, or was never archived."""

    advice = "The object store is bringing the bytes back already."


class NoCredentials(StoreError):
    """No credentials are configured, or they have expired and cannot be renewed."""

    advice = (
        "There are no valid credentials for the object store; set AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY, or S3_USE_IAM_ROLE=true where a role is attached, and renew expired ones."
    )
    _told = _NOT_YOURS


class WrongRegion(StoreError):
    """The bucket is in another region than the one that requests are signed for."""

    advice = "The bucket is in another region; set AWS_REGION (S3_REGION) to the bucket's region."
    _told = _NOT_YOURS


class BucketMissing(StoreError):
    """The bucket does not exist."""

    advice = "The bucket does not exist; create it or correct AWS_S3_BUCKET."
    _told = _NOT_YOURS


class ClockSkewed(StoreError):
    """This machine's clock and the store's differ by more than the store allows (15 min on AWS)."""

    advice = "This machine's clock differs too much from the object store's; synchronise it (NTP)."
    _told = _NOT_YOURS


class InvalidPart(StoreError):
    """Complete named a part that is missing, too small, out of order or has another ETag."""

    advice = "The object store does not accept the list of parts; the upload has to start again."


class EntityTooLarge(StoreError):
    """Larger than the store accepts in one request or object."""

    advice = "The object is larger than the object store accepts."


class KeyTooLong(StoreError):
    """The key is longer than the store allows. ``limit``: bytes in a URL; 0 if only the store knows it."""

    advice = "The path is longer than the object store can hold; shorten it."

    def __init__(self, message: str | None = None, *, limit: int = 0, **facts: object) -> None:
        super().__init__(message, **facts)  # type: ignore[arg-type]
        self.limit = limit


class InvalidRequest(StoreError):
    """The store rejects the request as malformed: a bug here, or a store that deviates from S3."""

    advice = (
        "The object store rejected the request as invalid; this store may lack something this setting needs."
    )
    _told = "The object store rejected the request, which only its operator can mend."


class NotSupportedByStore(StoreError):
    """The store answers 501 or equivalent. ``option`` names the setting to turn off."""

    advice = "The object store does not support this operation."
    _told = "The object store does not support this operation."

    def __init__(self, option: str = "", **facts: object) -> None:
        hint = f" Turn the setting {option} off or use another store." if option else ""
        super().__init__(self.advice + hint, **facts)  # type: ignore[arg-type]
        self.option = option


class InsufficientStorage(StoreError):
    """507, QuotaExceeded, disk full: the store has no space."""

    advice = "The object store is full; free space or raise its quota."
    _told = "The object store is full; nothing can be stored until its operator has made room."


RETRY_SECONDS = 2.0
"""Pause that callers are told if the store names none."""
ARCHIVED_SECONDS = 3600.0
"""The same for objects being restored from an archive class."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise the StrongroomError for a StoreError that leaves the block."""
    try:
        yield
    except StoreError as error:
        raise to_strongroom(error) from error


def to_strongroom(error: StoreError) -> errors.StrongroomError:
    """Return the contract's error: its message is for users, its ``advice`` (in the log) for the operator."""
    made = _as_contract(error, error.told)
    if error.told != str(error):
        made.advice = str(error)
    return made


def _as_contract(error: StoreError, message: str) -> errors.StrongroomError:  # noqa: C901, PLR0911, PLR0912 - a table
    match error:
        case StoreThrottled():
            return errors.ObjectStoreThrottled(message, retry_after=error.retry_after or RETRY_SECONDS)
        case NoCredentials():
            return errors.ObjectStoreNoCredentials(message)
        case WrongRegion():
            return errors.ObjectStoreWrongRegion(message)
        case BucketMissing():
            return errors.BucketMissing(message)
        case AccessDenied() | ClockSkewed():
            return errors.ObjectStoreDenied(message)
        case UploadNotFound() | InvalidPart():
            return errors.UploadLost(message)
        case ObjectNotFound():
            return errors.ObjectLost("The stored object is missing from the object store; tell the operator.")
        case ObjectArchived():
            return errors.ObjectArchived(message, retry_after=ARCHIVED_SECONDS)
        case KeyTooLong():
            facts = {"path": "", "rule": "max_store_key_bytes"}
            limit = {"limit": str(error.limit)} if error.limit else {}
            return errors.PathInvalid(message, metadata=facts | limit)
        case EntityTooLarge():
            return errors.SizeLimitExceeded(message, metadata={"limit": "", "family": "the object store"})
        case InsufficientStorage():
            return errors.ObjectStoreFull(message)
        case InvalidRequest():
            return errors.ObjectStoreRefused(message)
        case NotSupportedByStore():
            return errors.Unimplemented(message, metadata={"feature": error.operation})
    return errors.ObjectStoreUnavailable(message, retry_after=error.retry_after or RETRY_SECONDS)
