"""gRPC services, each beside those about the same things: requests in, use case, responses out."""

from __future__ import annotations

from typing import Final

from strongroom.metadata.v1 import (
    admin_service_pb2,
    archive_service_pb2,
    credential_service_pb2,
    event_media_service_pb2,
    file_service_pb2,
    generation_service_pb2,
    guest_access_service_pb2,
    linked_file_service_pb2,
    media_info_service_pb2,
    notification_service_pb2,
    operations_service_pb2,
    previewed_file_service_pb2,
    project_save_service_pb2,
    project_service_pb2,
    reservation_service_pb2,
    restoration_service_pb2,
    retention_service_pb2,
    scan_service_pb2,
    share_service_pb2,
    upload_session_service_pb2,
    usage_service_pb2,
    verification_service_pb2,
    webhook_delivery_service_pb2,
    webhook_service_pb2,
)

_SERVICES: Final = (
    (file_service_pb2, "FileService"),
    (linked_file_service_pb2, "LinkedFileService"),
    (generation_service_pb2, "GenerationService"),
    (event_media_service_pb2, "EventMediaService"),
    (notification_service_pb2, "NotificationService"),
    (usage_service_pb2, "UsageService"),
    (admin_service_pb2, "AdminService"),
    (credential_service_pb2, "CredentialService"),
    (reservation_service_pb2, "ReservationService"),
    (project_service_pb2, "ProjectService"),
    (project_save_service_pb2, "ProjectSaveService"),
    (previewed_file_service_pb2, "PreviewedFileService"),
    (upload_session_service_pb2, "UploadSessionService"),
    (verification_service_pb2, "VerificationService"),
    (share_service_pb2, "ShareService"),
    (guest_access_service_pb2, "GuestAccessService"),
    (restoration_service_pb2, "RestorationService"),
    (operations_service_pb2, "OperationsService"),
    (media_info_service_pb2, "MediaInfoService"),
    (scan_service_pb2, "ScanService"),
    (archive_service_pb2, "ArchiveService"),
    (webhook_service_pb2, "WebhookService"),
    (retention_service_pb2, "RetentionService"),
    (webhook_delivery_service_pb2, "WebhookDeliveryService"),
)
#: Only other services of Strongroom may call these.
INTERNAL: Final = tuple(
    f"strongroom.metadata.v1.{name}"
    for name in (
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
)
#: As gRPC names them.
NAMES: Final = tuple(module.DESCRIPTOR.services_by_name[name].full_name for module, name in _SERVICES)
