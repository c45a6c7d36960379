"""The client: ``AsyncClient``, its blocking counterpart ``Client``, and the values they take and return. See
docs/sdk.md.
"""

from __future__ import annotations

from strongroom.client.admin_values import (
    AdminAct,
    Attempt,
    CleanerBacklog,
    CleanerFailure,
    CleanerStatus,
    Erasure,
    FamilyUsage,
    InfectedContent,
    OwnerUsage,
    Reindexed,
    Replica,
)
from strongroom.client.async_client import AsyncClient
from strongroom.client.costs import CostLine, Costs
from strongroom.client.family_values import Counted, CountedPage, GenerationStats, Notification
from strongroom.client.files import (
    EventMediaInfo,
    Family,
    FileName,
    FilePage,
    GenerationInfo,
    Hold,
    Kept,
    MediaFacts,
    ScanResult,
    SignedUrl,
    StoredFile,
    Usage,
    Visibility,
)
from strongroom.client.generations import ImportItem
from strongroom.client.links import Link
from strongroom.client.path_downloads import Downloaded
from strongroom.client.project_trees import DEFAULT_IGNORE
from strongroom.client.project_values import (
    Label,
    Project,
    ProjectFile,
    ProjectVersion,
    RestoredProject,
    SavedProject,
    VersionRule,
)
from strongroom.client.restore_values import RelinkPage, Stray, StrayResult, UnlinkedRow
from strongroom.client.retention import ProjectSlug, RetentionRule, RetentionRules, RetentionWish
from strongroom.client.retries import RetryPolicy
from strongroom.client.searches import FolderPage, Wanted
from strongroom.client.seekable import SourceChanged
from strongroom.client.settings import ClientSettings, ConfigurationError, Tls
from strongroom.client.shares import DropBox, Share, SharedEvent, SharedFile, SharedPrefix, SharedProject
from strongroom.client.sources import UploadSource
from strongroom.client.spooling.disk import SpoolFull
from strongroom.client.spooling.spool import Flushed, SpooledOperation
from strongroom.client.sync_client import Client
from strongroom.client.targets import (
    AtPath,
    Audio,
    Documents,
    EventMedia,
    Generation,
    ProfilePicture,
    Target,
    Temp,
    Uploads,
)
from strongroom.client.tokens import Token, development_token
from strongroom.client.trash import Purged
from strongroom.client.uploads import Checksums, Progress, UploadLimit
from strongroom.client.verification_values import Finding, Quarantined, Repair, Verification
from strongroom.client.webhooks import Delivery, Webhook

__all__ = [
    "DEFAULT_IGNORE",
    "AdminAct",
    "AsyncClient",
    "AtPath",
    "Attempt",
    "Audio",
    "Checksums",
    "CleanerBacklog",
    "CleanerFailure",
    "CleanerStatus",
    "Client",
    "ClientSettings",
    "ConfigurationError",
    "CostLine",
    "Costs",
    "Counted",
    "CountedPage",
    "Delivery",
    "Documents",
    "Downloaded",
    "DropBox",
    "Erasure",
    "EventMedia",
    "EventMediaInfo",
    "Family",
    "FamilyUsage",
    "FileName",
    "FilePage",
    "Finding",
    "Flushed",
    "FolderPage",
    "Generation",
    "GenerationInfo",
    "GenerationStats",
    "Hold",
    "ImportItem",
    "InfectedContent",
    "Kept",
    "Label",
    "Link",
    "MediaFacts",
    "Notification",
    "OwnerUsage",
    "ProfilePicture",
    "Progress",
    "Project",
    "ProjectFile",
    "ProjectSlug",
    "ProjectVersion",
    "Purged",
    "Quarantined",
    "Reindexed",
    "RelinkPage",
    "Repair",
    "Replica",
    "RestoredProject",
    "RetentionRule",
    "RetentionRules",
    "RetentionWish",
    "RetryPolicy",
    "SavedProject",
    "ScanResult",
    "Share",
    "SharedEvent",
    "SharedFile",
    "SharedPrefix",
    "SharedProject",
    "SignedUrl",
    "SourceChanged",
    "SpoolFull",
    "SpooledOperation",
    "StoredFile",
    "Stray",
    "StrayResult",
    "Target",
    "Temp",
    "Tls",
    "Token",
    "UnlinkedRow",
    "UploadLimit",
    "UploadSource",
    "Uploads",
    "Usage",
    "Verification",
    "VersionRule",
    "Visibility",
    "Wanted",
    "Webhook",
    "development_token",
]
