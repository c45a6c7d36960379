"""The client: ``AsyncClient``, its waiting twin ``Client``, and the values they take and answer. See
docs/sdk.md.
"""

from __future__ import annotations

from strongroom.client.async_client import AsyncClient
from strongroom.client.family_values import Counted, CountedPage, GenerationStats, Notification
from strongroom.client.files import (
    EventMediaInfo,
    Family,
    FileName,
    FilePage,
    GenerationInfo,
    SignedUrl,
    StoredFile,
    Usage,
    Visibility,
)
from strongroom.client.generations import ImportItem
from strongroom.client.ignoring import DEFAULT_IGNORE
from strongroom.client.limits import UploadLimit
from strongroom.client.links import Link
from strongroom.client.path_downloads import Downloaded
from strongroom.client.project_values import (
    Label,
    Project,
    ProjectFile,
    ProjectVersion,
    RestoredProject,
    SavedProject,
)
from strongroom.client.retries import RetryPolicy
from strongroom.client.searches import FolderPage, Wanted
from strongroom.client.seekable import SourceChanged
from strongroom.client.settings import ClientSettings, ConfigurationError, Tls
from strongroom.client.shares import (
    DropBox,
    Share,
    SharedEvent,
    SharedFile,
    SharedPrefix,
    SharedProject,
)
from strongroom.client.sources import UploadSource
from strongroom.client.spooling.disk import SpoolFull
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
from strongroom.client.uploads import Checksums, Progress
from strongroom.client.webhooks import Delivery, Webhook
from strongroom.client.wishes import RetentionWish

__all__ = [
    "DEFAULT_IGNORE",
    "AsyncClient",
    "AtPath",
    "Audio",
    "Checksums",
    "Client",
    "ClientSettings",
    "ConfigurationError",
    "Counted",
    "CountedPage",
    "Delivery",
    "Documents",
    "Downloaded",
    "DropBox",
    "EventMedia",
    "EventMediaInfo",
    "Family",
    "FileName",
    "FilePage",
    "FolderPage",
    "Generation",
    "GenerationInfo",
    "GenerationStats",
    "ImportItem",
    "Label",
    "Link",
    "Notification",
    "ProfilePicture",
    "Progress",
    "Project",
    "ProjectFile",
    "ProjectVersion",
    "Purged",
    "RestoredProject",
    "RetentionWish",
    "RetryPolicy",
    "SavedProject",
    "Share",
    "SharedEvent",
    "SharedFile",
    "SharedPrefix",
    "SharedProject",
    "SignedUrl",
    "SourceChanged",
    "SpoolFull",
    "StoredFile",
    "Target",
    "Temp",
    "Tls",
    "Token",
    "UploadLimit",
    "UploadSource",
    "Uploads",
    "Usage",
    "Visibility",
    "Wanted",
    "Webhook",
    "development_token",
]
