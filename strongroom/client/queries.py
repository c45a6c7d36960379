"""Unary calls that change nothing: they may be repeated after any failure."""

from __future__ import annotations

from typing import Final

#: By service; ``tests/integration/sdk/test_family_retries.py`` compares with the protos.
QUERIES: Final = {
    "strongroom.metadata.v1.AdminService": (
        "GetCleanerStatus", "GetErasure", "ListAdminActs", "ListAttempts", "ListInfected", "ListReplicas",
        "ListUsage",
    ),
    "strongroom.metadata.v1.EventMediaService": ("GetEventMedia", "GetProfilePicture", "ListEventMedia"),
    "strongroom.metadata.v1.FileService": (
        "BatchGetFiles", "GetFile", "ListFiles", "ListFolder", "ListTrash", "SearchFiles"
    ),
    "strongroom.metadata.v1.GenerationService": ("GetGeneration", "GetGenerationStats", "ListGenerations"),
    "strongroom.metadata.v1.ProjectService": (
        "GetProject", "GetProjectFile", "GetVersionRule", "ListProjectFiles", "ListProjects",
        "ListProjectVersions",
    ),
    "strongroom.metadata.v1.RetentionService": ("GetRetentionRules",),
    "strongroom.metadata.v1.ShareService": ("GetShare", "ListShares"),
    "strongroom.metadata.v1.UsageService": ("GetCosts", "GetRevision", "GetUsage"),
    "strongroom.metadata.v1.WebhookService": ("GetWebhook", "ListDeliveries", "ListWebhooks"),
    "strongroom.storage.v1.RestoreService": ("ListStrayObjects",),
    "strongroom.storage.v1.StorageService": (
        "BatchSignUrls", "GetUpload", "GetUrlStamps", "SignLinks", "SignPreviews", "SignUrl"
    ),
    "strongroom.storage.v1.VerifyService": ("GetVerificationReport", "ListVerificationFindings"),
}  # fmt: skip
#: Their paths, ``/package.Service/Method``.
QUERY_PATHS: Final = frozenset(
    f"/{service}/{method}" for service, methods in QUERIES.items() for method in methods
)
