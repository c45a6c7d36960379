"""Errors of state: things that don't exist, don't exist yet, are in use, or can't be changed."""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.errors.base import StrongroomError


class NotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such route or resource."""


class FileNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such file for this caller."""


class UploadNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such upload for this caller."""


class ProjectNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such project for this caller."""


class VersionNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such version of the file or project."""


class ShareNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such share, or it belongs to another user."""


class WebhookNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """The caller has no such webhook, or the webhook no such delivery."""


class ShareEnded(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=410):
    """The share can't be opened any more. Metadata: ``cause``."""


class AlreadyExists(StrongroomError, code=Code.ALREADY_EXISTS, http_status=409):
    """The name is taken."""


class RequestInProgress(StrongroomError, code=Code.ABORTED, http_status=409):
    """A request with the same idempotency key is still running; RetryInfo says when to retry."""


class VersionConflict(StrongroomError, code=Code.ABORTED, http_status=409):
    """The project is at another version than expected. Metadata: ``expected``, ``actual``."""


class PreconditionFailed(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=412):
    """If-Match, If-None-Match or if_generation_match does not hold. Metadata: ``actual``.

    ``of``: ``source`` if the condition of a move concerns the source and not the target.
    """


class UploadSuperseded(StrongroomError, code=Code.ABORTED, http_status=409):
    """A newer writer has taken this upload over, or its lease has expired."""


class UploadExpired(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=410):
    """The upload was inactive for too long and was removed."""


class UploadLost(StrongroomError, code=Code.DATA_LOSS, http_status=410):
    """The store no longer has the upload's parts; start again."""


class ObjectArchived(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bytes are being restored from an archive class of the store; RetryInfo says when to retry."""


class ObjectLost(StrongroomError, code=Code.DATA_LOSS, http_status=500):
    """A committed object is missing or changed in the store."""


class RetentionHeld(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=423):
    """The file is kept until a time (metadata: ``until``) or on legal hold (``hold``) and can't be
    changed.
    """


class RepairRefused(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """Nothing was verified or repaired: bucket and database don't match, or too much is wrong."""


class ActInProgress(StrongroomError, code=Code.ABORTED, http_status=409):
    """An admin is changing objects at this moment; RetryInfo says when to retry. Metadata: ``act``."""
