"""The unary RPCs that handlers call by ``Call.ask``: one line each.

Add a line for a new one; mypy takes the request and response types from the stub.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from grpc import aio

from gateway.http.exchange import Exchange
from gateway.upstream.backend import Metadata, Storage
from gateway.upstream.call import Request, Response, Rpc, Services

Method: TypeAlias = aio.UnaryUnaryMultiCallable[Request, Response]


def _metadata(method: Callable[[Metadata], Method[Request, Response]]) -> Rpc[Request, Response]:
    """An RPC of metadata_service."""

    def ask(services: Services, exchange: Exchange, request: Request) -> Awaitable[Response]:
        return services.metadata.unary(exchange, method(services.metadata), request)

    return Rpc(ask)


def _storage(method: Callable[[Storage], Method[Request, Response]]) -> Rpc[Request, Response]:
    """A short RPC of storage_service."""

    def ask(services: Services, exchange: Exchange, request: Request) -> Awaitable[Response]:
        return services.storage.unary(exchange, method(services.storage), request)

    return Rpc(ask)


def _transfer(method: Callable[[Storage], Method[Request, Response]]) -> Rpc[Request, Response]:
    """An RPC of storage_service that moves bytes, with the connection and deadline of a transfer."""

    def ask(services: Services, exchange: Exchange, request: Request) -> Awaitable[Response]:
        return services.storage.transfer(exchange, method(services.storage), request)

    return Rpc(ask)


GET_EVENT_MEDIA: Final = _metadata(lambda to: to.event_media.GetEventMedia)
GET_PROFILE_PICTURE: Final = _metadata(lambda to: to.event_media.GetProfilePicture)
LIST_EVENT_MEDIA: Final = _metadata(lambda to: to.event_media.ListEventMedia)
UPDATE_EVENT_MEDIA: Final = _metadata(lambda to: to.event_media.UpdateEventMedia)

DELETE_FOLDER: Final = _metadata(lambda to: to.files.DeleteFolder)
EMPTY_TRASH: Final = _metadata(lambda to: to.files.EmptyTrash)
GET_FILE: Final = _metadata(lambda to: to.files.GetFile)
LIST_FILES: Final = _metadata(lambda to: to.files.ListFiles)
LIST_FOLDER: Final = _metadata(lambda to: to.files.ListFolder)
LIST_TRASH: Final = _metadata(lambda to: to.files.ListTrash)
PURGE_FILE: Final = _metadata(lambda to: to.files.PurgeFile)
REVOKE_LINKS: Final = _metadata(lambda to: to.files.RevokeLinks)
SEARCH_FILES: Final = _metadata(lambda to: to.files.SearchFiles)
UNDELETE_FILE: Final = _metadata(lambda to: to.files.UndeleteFile)
UPDATE_FILE: Final = _metadata(lambda to: to.files.UpdateFile)

GET_RETENTION_RULES: Final = _metadata(lambda to: to.retention.GetRetentionRules)
LIFT_HOLD: Final = _metadata(lambda to: to.retention.LiftHold)
PLACE_HOLD: Final = _metadata(lambda to: to.retention.PlaceHold)
SET_RETENTION: Final = _metadata(lambda to: to.retention.SetRetention)

CREATE_SHARE: Final = _metadata(lambda to: to.shares.CreateShare)
GET_SHARE: Final = _metadata(lambda to: to.shares.GetShare)
LIST_SHARES: Final = _metadata(lambda to: to.shares.ListShares)
REVOKE_SHARE: Final = _metadata(lambda to: to.shares.RevokeShare)
UPDATE_SHARE: Final = _metadata(lambda to: to.shares.UpdateShare)

CREATE_WEBHOOK: Final = _metadata(lambda to: to.webhooks.CreateWebhook)
DELETE_WEBHOOK: Final = _metadata(lambda to: to.webhooks.DeleteWebhook)
GET_WEBHOOK: Final = _metadata(lambda to: to.webhooks.GetWebhook)
LIST_DELIVERIES: Final = _metadata(lambda to: to.webhooks.ListDeliveries)
LIST_WEBHOOKS: Final = _metadata(lambda to: to.webhooks.ListWebhooks)
REPLAY_DELIVERIES: Final = _metadata(lambda to: to.webhooks.ReplayDeliveries)
ROTATE_WEBHOOK_SECRET: Final = _metadata(lambda to: to.webhooks.RotateWebhookSecret)
TEST_WEBHOOK: Final = _metadata(lambda to: to.webhooks.TestWebhook)
UPDATE_WEBHOOK: Final = _metadata(lambda to: to.webhooks.UpdateWebhook)

GET_GENERATION: Final = _metadata(lambda to: to.generations.GetGeneration)
GET_GENERATION_STATS: Final = _metadata(lambda to: to.generations.GetGenerationStats)
LIST_GENERATIONS: Final = _metadata(lambda to: to.generations.ListGenerations)

GET_PROJECT: Final = _metadata(lambda to: to.projects.GetProject)
GET_PROJECT_FILE: Final = _metadata(lambda to: to.projects.GetProjectFile)
LIST_PROJECT_FILES: Final = _metadata(lambda to: to.projects.ListProjectFiles)
LIST_PROJECT_VERSIONS: Final = _metadata(lambda to: to.projects.ListProjectVersions)
GET_VERSION_RULE: Final = _metadata(lambda to: to.projects.GetVersionRule)
SET_VERSION_RULE: Final = _metadata(lambda to: to.projects.SetVersionRule)
UPDATE_PROJECT_VERSION: Final = _metadata(lambda to: to.projects.UpdateProjectVersion)
LIST_PROJECTS: Final = _metadata(lambda to: to.projects.ListProjects)

GET_REVISION: Final = _metadata(lambda to: to.usage.GetRevision)
GET_USAGE: Final = _metadata(lambda to: to.usage.GetUsage)
GET_COSTS: Final = _metadata(lambda to: to.usage.GetCosts)
SET_QUOTA: Final = _metadata(lambda to: to.usage.SetQuota)

GET_CLEANER_STATUS: Final = _metadata(lambda to: to.admin.GetCleanerStatus)
LIST_ADMIN_ACTS: Final = _metadata(lambda to: to.admin.ListAdminActs)
LIST_INFECTED: Final = _metadata(lambda to: to.admin.ListInfected)
LIST_USAGE: Final = _metadata(lambda to: to.admin.ListUsage)
GET_VERIFICATION_REPORT: Final = _storage(lambda to: to.verification.GetVerificationReport)
LIST_VERIFICATION_FINDINGS: Final = _storage(lambda to: to.verification.ListVerificationFindings)
START_VERIFICATION: Final = _storage(lambda to: to.verification.StartVerification)

BATCH_DELETE: Final = _transfer(lambda to: to.transfers.BatchDelete)
BATCH_IMPORT: Final = _transfer(lambda to: to.transfers.BatchImport)
COMPLETE_UPLOAD: Final = _transfer(lambda to: to.transfers.CompleteUpload)
CONCATENATE_UPLOADS: Final = _transfer(lambda to: to.transfers.ConcatenateUploads)
COPY_FILE: Final = _transfer(lambda to: to.transfers.CopyFile)
DELETE_PROJECT: Final = _transfer(lambda to: to.transfers.DeleteProject)
MOVE_FILE: Final = _transfer(lambda to: to.transfers.MoveFile)
ROLLBACK_PROJECT: Final = _transfer(lambda to: to.transfers.RollbackProject)

CANCEL_UPLOAD: Final = _storage(lambda to: to.stub.CancelUpload)
CREATE_UPLOAD: Final = _storage(lambda to: to.stub.CreateUpload)
DECLARE_UPLOAD_LENGTH: Final = _storage(lambda to: to.stub.DeclareUploadLength)
DELETE_FILE: Final = _storage(lambda to: to.stub.DeleteFile)
GET_UPLOAD: Final = _storage(lambda to: to.stub.GetUpload)
GET_SHARED: Final = _storage(lambda to: to.guests.GetShared)
LIST_SHARED: Final = _storage(lambda to: to.guests.ListShared)
GET_URL_STAMPS: Final = _storage(lambda to: to.stub.GetUrlStamps)
OPEN_SHARE: Final = _storage(lambda to: to.guests.OpenShare)
SIGN_LINKS: Final = _storage(lambda to: to.stub.SignLinks)
SIGN_PREVIEWS: Final = _storage(lambda to: to.stub.SignPreviews)
SIGN_UPLOAD: Final = _storage(lambda to: to.stub.SignUpload)
SIGN_URL: Final = _storage(lambda to: to.stub.SignUrl)
