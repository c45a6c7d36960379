"""For each RPC: its call on an owner's belongings, and the answer to a stranger."""

from __future__ import annotations

import importlib
import pkgutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import strongroom.metadata.v1 as metadata_v1
import strongroom.storage.v1 as storage_v1
from strongroom.metadata.v1 import admin_service_pb2 as admin
from strongroom.metadata.v1 import event_media_service_pb2 as media
from strongroom.metadata.v1 import file_service_pb2 as files
from strongroom.metadata.v1 import generation_service_pb2 as generations
from strongroom.metadata.v1 import infected_pb2, replica_pb2
from strongroom.metadata.v1 import notification_service_pb2 as notifications
from strongroom.metadata.v1 import project_service_pb2 as projects
from strongroom.metadata.v1 import retention_service_pb2 as kept
from strongroom.metadata.v1 import share_service_pb2 as shares
from strongroom.metadata.v1 import usage_service_pb2 as usage
from strongroom.metadata.v1 import webhook_service_pb2 as hooks
from strongroom.metadata.v1.share_pb2 import ShareScope
from strongroom.metadata.v1.target_pb2 import FileTarget, PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1 import (
    batch_pb2,
    diagnostics_service_pb2,
    direct_pb2,
    download_pb2,
    link_pb2,
    preview_pb2,
    project_pb2,
    restore_pb2,
    upload_pb2,
    verify_pb2,
)
from tests.e2e import samples
from tests.e2e.owner import Owner, save_messages

Stranger = Literal["missing", "nothing", "own", "denied"]
"""``missing``: NOT_FOUND; ``nothing``: a success that reveals nothing; ``own``: something of the caller's
own; ``denied``: PERMISSION_DENIED.
"""
INTERNAL: Final = (
    "CredentialService",
    "ReservationService",
    "UploadSessionService",
    "ProjectSaveService",
    "PreviewedFileService",
    "LinkedFileService",
    "MediaInfoService",
    "ScanService",
    "ArchiveService",
    "VerificationService",
    "GuestAccessService",
    "RestorationService",
    "OperationsService",
    "WebhookDeliveryService",
)
OPEN: Final = ("PreviewService", "LinkService", "GuestService")
"""Services without a bearer token (test_previews.py, test_links.py, test_guests.py)."""


NO_RUN: Final = "00000000-0000-4000-8000-000000000000"
"""The id of a verification that does not exist."""


@dataclass(frozen=True)
class Way:
    """One RPC. ``request``: the messages of a valid call on the owner's belongings."""

    stranger: Stranger
    request: Callable[[Owner], Message | list[Message]]


def all_methods() -> Iterator[MethodDescriptor]:
    """Every RPC of storage.v1 and metadata.v1."""
    for package in (storage_v1, metadata_v1):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_pb2"):
                file = importlib.import_module(f"{package.__name__}.{module.name}").DESCRIPTOR
                for service in file.services_by_name.values():
                    yield from service.methods


def name_of(method: MethodDescriptor) -> str:
    """`Service/Method`."""
    return f"{method.containing_service.name}/{method.name}"


def call(
    channel: grpc.Channel, method: MethodDescriptor, messages: list[Message], token: str
) -> list[Message]:
    """The RPC's answers; for an endless stream only that it has begun.

    Raises grpc.RpcError.
    """
    path = f"/{method.containing_service.full_name}/{method.name}"
    codec = (
        GetMessageClass(method.input_type).SerializeToString,
        GetMessageClass(method.output_type).FromString,
    )
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    options: dict[str, Any] = {"timeout": 30, "metadata": metadata}
    request: Any = iter(messages) if method.client_streaming else messages[0]
    if method.client_streaming:
        return [channel.stream_unary(path, *codec)(request, **options)]
    if not method.server_streaming:
        return [channel.unary_unary(path, *codec)(request, **options)]
    replies = channel.unary_stream(path, *codec)(request, **options)
    if method.name in {"Watch", "WatchAll"}:
        first = next(replies)
        replies.cancel()
        return [first]
    return list(replies)


def name_user(message: Message, user_id: str) -> bool:
    """Set each ``user_id`` in ``message`` and its spec or items. Returns whether there was one."""
    named = False
    if "user_id" in message.DESCRIPTOR.fields_by_name:
        message.user_id = user_id  # type: ignore[attr-defined]
        named = True
    for name in ("spec", "items"):
        if name not in message.DESCRIPTOR.fields_by_name:
            continue
        inner = getattr(message, name)
        if name == "spec" and not message.HasField("spec"):
            continue
        for item in inner if name == "items" else [inner]:
            named = name_user(item, user_id) or named
    return named


def _spec() -> UploadSpec:
    return UploadSpec(target=UploadTarget(file=FileTarget()), filename="cat.png", content_type="image/png")


def _upload(_: Owner) -> list[Message]:
    return [upload_pb2.UploadRequest(spec=_spec(), data=samples.png(), finish_write=True)]


def _import(_: Owner) -> direct_pb2.ImportFromUrlRequest:
    return direct_pb2.ImportFromUrlRequest(url="http://127.0.0.1:1/", spec=_spec())


def _copy(owner: Owner) -> Message:
    spec = UploadSpec(target=UploadTarget(path=PathTarget(path=f"copy-{uuid.uuid4()}.png")))
    return batch_pb2.CopyFileRequest(source_file_id=owner.at_path.id, spec=spec)


def _move(owner: Owner) -> Message:
    spec = UploadSpec(target=UploadTarget(path=PathTarget(path=f"moved-{uuid.uuid4()}.png")))
    return batch_pb2.MoveFileRequest(source_file_id=owner.at_path.id, spec=spec)


def _project(kind: Callable[..., Message], **more: Any) -> Callable[[Owner], Message]:
    return lambda owner: kind(slug=owner.project, **more)


def _webhook(kind: Callable[..., Message], **more: Any) -> Callable[[Owner], Message]:
    return lambda owner: kind(webhook_id=owner.webhook.id, **more)


def _save(_: Owner) -> list[Message]:
    """A separate slug: a stranger's save is the stranger's."""
    return list(save_messages(f"s-{uuid.uuid4().hex}"))


def _save_archive(_: Owner) -> list[Message]:
    kind = project_pb2.SaveProjectArchiveRequest
    spec = project_pb2.SaveProjectSpec(name="mine", slug=f"z-{uuid.uuid4().hex}")
    return [kind(spec=spec), kind(data=samples.zip_of({"a.txt": b"a"})), kind(finish_write=True)]


WAYS: Final[Mapping[str, Way]] = {
    "DiagnosticsService/Diagnose": Way("nothing", lambda _: diagnostics_service_pb2.DiagnoseRequest()),
    "VerifyService/StartVerification": Way("denied", lambda _: verify_pb2.StartVerificationRequest()),
    "VerifyService/GetVerificationReport": Way(
        "denied", lambda _: verify_pb2.GetVerificationReportRequest(id=NO_RUN)
    ),
    "VerifyService/RepairFindings": Way("denied", lambda _: verify_pb2.RepairFindingsRequest(id=NO_RUN)),
    "VerifyService/ListQuarantine": Way("denied", lambda _: verify_pb2.ListQuarantineRequest()),
    "VerifyService/PurgeQuarantined": Way("denied", lambda _: verify_pb2.PurgeQuarantinedRequest(id=NO_RUN)),
    "VerifyService/RestoreQuarantined": Way(
        "denied", lambda _: verify_pb2.RestoreQuarantinedRequest(id=NO_RUN)
    ),
    "VerifyService/ListVerificationFindings": Way(
        "denied", lambda _: verify_pb2.ListVerificationFindingsRequest(id=NO_RUN)
    ),
    "RestoreService/ListStrayObjects": Way("denied", lambda _: restore_pb2.ListStrayObjectsRequest()),
    "RestoreService/KeepObjects": Way(
        "denied", lambda _: restore_pb2.KeepObjectsRequest(names=[restore_pb2.ObjectName(key="no/key")])
    ),
    "RestoreService/DropObjects": Way(
        "denied", lambda _: restore_pb2.DropObjectsRequest(names=[restore_pb2.ObjectName(key="no/key")])
    ),
    "RestoreService/RelinkObjects": Way("denied", lambda _: restore_pb2.RelinkObjectsRequest(dry_run=True)),
    "StorageService/Upload": Way("own", _upload),
    "StorageService/CreateUpload": Way("own", lambda _: upload_pb2.CreateUploadRequest(spec=_spec())),
    "StorageService/GetUpload": Way("missing", lambda o: upload_pb2.GetUploadRequest(upload_id=o.upload_id)),
    "StorageService/DeclareUploadLength": Way(
        "missing", lambda o: upload_pb2.DeclareUploadLengthRequest(upload_id=o.upload_id, size_bytes=9)
    ),
    "StorageService/CancelUpload": Way(
        "missing", lambda o: upload_pb2.CancelUploadRequest(upload_id=o.upload_id)
    ),
    "StorageService/ConcatenateUploads": Way(
        "missing", lambda o: upload_pb2.ConcatenateUploadsRequest(spec=_spec(), upload_ids=[o.upload_id])
    ),
    "StorageService/Download": Way("missing", lambda o: download_pb2.DownloadRequest(file_id=o.at_path.id)),
    "StorageService/DownloadArchive": Way(
        "missing",
        lambda o: download_pb2.DownloadArchiveRequest(
            project=download_pb2.ProjectVersionName(slug=o.project)
        ),
    ),
    "StorageService/ExportUser": Way("nothing", lambda _: download_pb2.ExportUserRequest()),
    "StorageService/SignUrl": Way("missing", lambda o: download_pb2.SignUrlRequest(key=o.at_path.key)),
    "StorageService/BatchSignUrls": Way(
        "nothing", lambda o: batch_pb2.BatchSignUrlsRequest(file_ids=[o.at_path.id])
    ),
    "StorageService/SignUpload": Way(
        "missing", lambda o: direct_pb2.SignUploadRequest(upload_id=o.upload_id)
    ),
    "StorageService/CompleteUpload": Way(
        "missing", lambda o: direct_pb2.CompleteUploadRequest(upload_id=o.upload_id)
    ),
    "StorageService/ImportFromUrl": Way("own", _import),
    "StorageService/BatchImport": Way("own", lambda o: batch_pb2.BatchImportRequest(items=[_import(o)])),
    "StorageService/CopyFile": Way("missing", _copy),
    "StorageService/MoveFile": Way("missing", _move),
    "StorageService/DeleteFile": Way("missing", lambda o: batch_pb2.DeleteFileRequest(file_id=o.at_path.id)),
    "StorageService/BatchDelete": Way(
        "nothing", lambda o: batch_pb2.BatchDeleteRequest(file_ids=[o.at_path.id])
    ),
    "StorageService/SaveProject": Way("own", _save),
    "StorageService/SaveProjectArchive": Way("own", _save_archive),
    "StorageService/RollbackProject": Way("missing", _project(project_pb2.RollbackProjectRequest, version=1)),
    "StorageService/DeleteProject": Way("missing", _project(project_pb2.DeleteProjectRequest)),
    "StorageService/SignLinks": Way("nothing", lambda o: link_pb2.SignLinksRequest(file_ids=[o.at_path.id])),
    "StorageService/GetUrlStamps": Way("own", lambda _: link_pb2.GetUrlStampsRequest()),
    "StorageService/SignPreviews": Way(
        "own",
        lambda o: preview_pb2.SignPreviewsRequest(
            projects=[preview_pb2.PreviewedVersion(slug=o.project, version=1)]
        ),
    ),
    "FileService/RevokeLinks": Way("missing", lambda o: files.RevokeLinksRequest(file_id=o.at_path.id)),
    "FileService/GetFile": Way("missing", lambda o: files.GetFileRequest(key=o.at_path.key)),
    "FileService/BatchGetFiles": Way(
        "nothing", lambda o: files.BatchGetFilesRequest(file_ids=[o.at_path.id])
    ),
    "FileService/ListFiles": Way("nothing", lambda _: files.ListFilesRequest(show_deleted=True)),
    "FileService/UpdateFile": Way(
        "missing", lambda o: files.UpdateFileRequest(file_id=o.at_path.id, filename="stolen.png")
    ),
    "FileService/UndeleteFile": Way(
        "missing", lambda o: files.UndeleteFileRequest(file_id=o.soft_deleted.id)
    ),
    "ShareService/CreateShare": Way(
        "missing", lambda o: shares.CreateShareRequest(scope=ShareScope(file_id=o.at_path.id))
    ),
    "ShareService/GetShare": Way("missing", lambda o: shares.GetShareRequest(share_id=o.share.share.id)),
    "ShareService/ListShares": Way("nothing", lambda _: shares.ListSharesRequest()),
    "ShareService/UpdateShare": Way(
        "missing", lambda o: shares.UpdateShareRequest(share_id=o.share.share.id, title="stolen")
    ),
    "ShareService/RevokeShare": Way(
        "missing", lambda o: shares.RevokeShareRequest(share_id=o.share.share.id)
    ),
    "WebhookService/CreateWebhook": Way(
        "own", lambda _: hooks.CreateWebhookRequest(url="https://hooks.example.com/in")
    ),
    "WebhookService/GetWebhook": Way("missing", _webhook(hooks.GetWebhookRequest)),
    "WebhookService/ListWebhooks": Way("nothing", lambda _: hooks.ListWebhooksRequest()),
    "WebhookService/UpdateWebhook": Way("missing", _webhook(hooks.UpdateWebhookRequest, paused=True)),
    "WebhookService/DeleteWebhook": Way("missing", _webhook(hooks.DeleteWebhookRequest)),
    "WebhookService/RotateWebhookSecret": Way("missing", _webhook(hooks.RotateWebhookSecretRequest)),
    "WebhookService/TestWebhook": Way("missing", _webhook(hooks.TestWebhookRequest)),
    "WebhookService/ListDeliveries": Way("missing", _webhook(hooks.ListDeliveriesRequest)),
    "WebhookService/ReplayDeliveries": Way("missing", _webhook(hooks.ReplayDeliveriesRequest, dead=True)),
    "RetentionService/GetRetentionRules": Way("nothing", lambda _: kept.GetRetentionRulesRequest()),
    "RetentionService/SetRetention": Way(
        "missing", lambda o: kept.SetRetentionRequest(file_id=o.at_path.id, clear_keep_until=True)
    ),
    "RetentionService/PlaceHold": Way("missing", lambda o: kept.PlaceHoldRequest(file_id=o.at_path.id)),
    "RetentionService/LiftHold": Way("missing", lambda o: kept.LiftHoldRequest(project=o.project)),
    "FileService/ListFolder": Way("nothing", lambda _: files.ListFolderRequest()),
    "FileService/DeleteFolder": Way(
        "missing", lambda o: files.DeleteFolderRequest(folder=o.at_path.key.rpartition("/")[0])
    ),
    "FileService/SearchFiles": Way("nothing", lambda _: files.SearchFilesRequest()),
    "FileService/ListTrash": Way("nothing", lambda _: files.ListTrashRequest()),
    "FileService/PurgeFile": Way("missing", lambda o: files.PurgeFileRequest(file_id=o.soft_deleted.id)),
    "FileService/EmptyTrash": Way("nothing", lambda _: files.EmptyTrashRequest()),
    "GenerationService/GetGeneration": Way(
        "missing", lambda o: generations.GetGenerationRequest(file_id=o.generation.id)
    ),
    "GenerationService/ListGenerations": Way("nothing", lambda _: generations.ListGenerationsRequest()),
    "GenerationService/GetGenerationStats": Way("nothing", lambda _: generations.GetGenerationStatsRequest()),
    "EventMediaService/GetEventMedia": Way(
        "missing",
        lambda o: media.GetEventMediaRequest(event_id=o.event_id, file_id=o.medium.id),
    ),
    "EventMediaService/ListEventMedia": Way(
        "nothing", lambda o: media.ListEventMediaRequest(event_id=o.event_id)
    ),
    "EventMediaService/UpdateEventMedia": Way(
        "missing",
        lambda o: media.UpdateEventMediaRequest(event_id=o.event_id, file_id=o.medium.id, title="stolen"),
    ),
    "EventMediaService/GetProfilePicture": Way(
        "missing",
        lambda o: media.GetProfilePictureRequest(user_id="" if o.picture.id else o.name),
    ),
    "NotificationService/WatchAll": Way("denied", lambda _: notifications.WatchAllRequest()),
    "NotificationService/Watch": Way("nothing", lambda _: notifications.WatchRequest()),
    "ProjectService/GetProject": Way("missing", _project(projects.GetProjectRequest)),
    "ProjectService/ListProjects": Way("nothing", lambda _: projects.ListProjectsRequest()),
    "ProjectService/ListProjectVersions": Way("missing", _project(projects.ListProjectVersionsRequest)),
    "ProjectService/GetVersionRule": Way("missing", _project(projects.GetVersionRuleRequest)),
    "ProjectService/SetVersionRule": Way("missing", _project(projects.SetVersionRuleRequest)),
    "ProjectService/UpdateProjectVersion": Way(
        "missing", lambda o: projects.UpdateProjectVersionRequest(slug=o.project, version=1, name="x")
    ),
    "ProjectService/ListProjectFiles": Way("missing", _project(projects.ListProjectFilesRequest)),
    "ProjectService/GetProjectFile": Way("missing", _project(projects.GetProjectFileRequest, path="a.txt")),
    "AdminService/ListInfected": Way("denied", lambda o: infected_pb2.ListInfectedRequest(user_id=o.name)),
    "AdminService/ListUsage": Way("denied", lambda o: admin.ListUsageRequest(user_id=o.name)),
    "AdminService/EraseUser": Way("denied", lambda o: admin.EraseUserRequest(user_id=o.name)),
    "AdminService/GetErasure": Way("denied", lambda _: admin.GetErasureRequest(id=NO_RUN)),
    "AdminService/GetCleanerStatus": Way("denied", lambda _: admin.GetCleanerStatusRequest()),
    "AdminService/ListAttempts": Way("denied", lambda o: admin.ListAttemptsRequest(user_id=o.name)),
    "AdminService/RequeueAttempts": Way("denied", lambda _: admin.RequeueAttemptsRequest(ids=[NO_RUN])),
    "AdminService/AbortAttempt": Way("denied", lambda _: admin.AbortAttemptRequest(id=NO_RUN)),
    "AdminService/ListReplicas": Way("denied", lambda _: replica_pb2.ListReplicasRequest()),
    "AdminService/DrainReplica": Way("denied", lambda _: replica_pb2.DrainReplicaRequest(name="any/1")),
    "AdminService/UndrainReplica": Way("denied", lambda _: replica_pb2.UndrainReplicaRequest(name="any/1")),
    "AdminService/Reindex": Way("denied", lambda o: replica_pb2.ReindexRequest(user_id=o.name)),
    "AdminService/NoteAct": Way("denied", lambda o: admin.NoteActRequest(act="export_user", user_id=o.name)),
    "AdminService/ListAdminActs": Way("denied", lambda o: admin.ListAdminActsRequest(user_id=o.name)),
    "UsageService/GetCosts": Way("nothing", lambda _: usage.GetCostsRequest()),
    "UsageService/GetUsage": Way("nothing", lambda _: usage.GetUsageRequest()),
    "UsageService/GetRevision": Way("nothing", lambda _: usage.GetRevisionRequest()),
    "UsageService/SetQuota": Way("denied", lambda o: usage.SetQuotaRequest(user_id=o.name, limit_bytes=1)),
}
