"""Object-store errors → Strongroom errors: the one boundary between the adapter's tree and the contract's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from storage_service.objectstore import errors as store
from strongroom import errors

RETRY_SECONDS = 2.0
"""What callers are told to wait when the store does not say."""


@contextmanager
def translated() -> Iterator[None]:
    """Inside, a StoreError that nobody has handled becomes the StrongroomError that callers see."""
    try:
        yield
    except store.StoreError as error:
        raise to_strongroom(error) from error


def to_strongroom(error: store.StoreError) -> errors.StrongroomError:  # noqa: C901, PLR0911 - a table in code
    """The message is the adapter's: it says what to do and names no host, key or secret."""
    message = str(error)
    match error:
        case store.StoreThrottled():
            return errors.ObjectStoreThrottled(message, retry_after=error.retry_after or RETRY_SECONDS)
        case store.NoCredentials():
            return errors.ObjectStoreNoCredentials(message)
        case store.WrongRegion():
            return errors.ObjectStoreWrongRegion(message)
        case store.BucketMissing():
            return errors.BucketMissing(message)
        case store.AccessDenied() | store.ClockSkewed():
            return errors.ObjectStoreDenied(message)
        case store.UploadNotFound() | store.InvalidPart():
            return errors.UploadLost(message)
        case store.ObjectNotFound():
            return errors.ObjectLost("The stored object is missing from the object store; tell the operator.")
        case store.KeyTooLong():
            facts = {"path": "", "rule": "max_store_key_bytes"}
            limit = {"limit": str(error.limit)} if error.limit else {}
            return errors.PathInvalid(message, metadata=facts | limit)
        case store.EntityTooLarge():
            return errors.SizeLimitExceeded(message, metadata={"limit": "", "family": "the object store"})
        case store.InsufficientStorage():
            return errors.ObjectStoreFull(message)
        case store.InvalidRequest():
            return errors.ObjectStoreRefused(message)
        case store.NotSupportedByStore():
            return errors.Unimplemented(message, metadata={"feature": error.option})
    return errors.ObjectStoreUnavailable(message, retry_after=error.retry_after or RETRY_SECONDS)
