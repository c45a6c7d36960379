"""The public contract of Strongroom: generated stubs, client, errors and command line.

``from strongroom import Client`` and the names below come from ``strongroom.client``. They are loaded when
first used, so a server that only needs the stubs doesn't load the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.client import (
        DEFAULT_IGNORE,
        AsyncClient,
        AtPath,
        Audio,
        Checksums,
        Client,
        ConfigurationError,
        Documents,
        Downloaded,
        DropBox,
        EventMedia,
        Family,
        FilePage,
        Generation,
        GenerationStats,
        ImportItem,
        Label,
        Link,
        Notification,
        ProfilePicture,
        Project,
        ProjectFile,
        ProjectSlug,
        ProjectVersion,
        RestoredProject,
        RetentionWish,
        RetryPolicy,
        SavedProject,
        Share,
        SharedEvent,
        SharedFile,
        SharedPrefix,
        SharedProject,
        SignedUrl,
        SourceChanged,
        StoredFile,
        Temp,
        Tls,
        Uploads,
        Usage,
        VersionRule,
        Visibility,
        Wanted,
    )
    from strongroom.errors import StrongroomError

__all__ = [
    "DEFAULT_IGNORE",
    "AsyncClient",
    "AtPath",
    "Audio",
    "Checksums",
    "Client",
    "ConfigurationError",
    "Documents",
    "Downloaded",
    "DropBox",
    "EventMedia",
    "Family",
    "FilePage",
    "Generation",
    "GenerationStats",
    "ImportItem",
    "Label",
    "Link",
    "Notification",
    "ProfilePicture",
    "Project",
    "ProjectFile",
    "ProjectSlug",
    "ProjectVersion",
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
    "StoredFile",
    "StrongroomError",
    "Temp",
    "Tls",
    "Uploads",
    "Usage",
    "VersionRule",
    "Visibility",
    "Wanted",
]


if not TYPE_CHECKING:  # otherwise type checkers would accept every misspelt name

    def __getattr__(name: str) -> Any:
        """Load a public name (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "StrongroomError":
            from strongroom.errors import StrongroomError  # noqa: PLC0415 - loaded when asked for

            return StrongroomError
        from strongroom import client  # noqa: PLC0415 - loaded when asked for

        return getattr(client, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
