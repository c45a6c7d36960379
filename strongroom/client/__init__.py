"""The client: ``AsyncClient``, its waiting twin ``Client``, and the values they take and answer. See
docs/sdk.md.
"""

from __future__ import annotations

from strongroom.client.async_client import AsyncClient
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
from strongroom.client.path_downloads import Downloaded
from strongroom.client.retries import RetryPolicy
from strongroom.client.settings import ClientSettings, ConfigurationError, Tls
from strongroom.client.sources import UploadSource
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
from strongroom.client.uploads import Checksums, Progress

__all__ = [
    "AsyncClient",
    "AtPath",
    "Audio",
    "Checksums",
    "Client",
    "ClientSettings",
    "ConfigurationError",
    "Documents",
    "Downloaded",
    "EventMedia",
    "EventMediaInfo",
    "Family",
    "FileName",
    "FilePage",
    "Generation",
    "GenerationInfo",
    "ProfilePicture",
    "Progress",
    "RetryPolicy",
    "SignedUrl",
    "StoredFile",
    "Target",
    "Temp",
    "Tls",
    "Token",
    "UploadSource",
    "Uploads",
    "Usage",
    "Visibility",
    "development_token",
]
