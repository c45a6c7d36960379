"""Builds the use cases of shares for ``services``."""

from __future__ import annotations

from collections.abc import Sequence

from storage_service.media.unlocated import Unlocated
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.metadata.shares import GuestAccess, SharedThings
from storage_service.projects.archives.downloads import ArchiveDownloader
from storage_service.reading.committed import CommittedReader
from storage_service.sharing.contents import SharedContents
from storage_service.sharing.drops import Drops
from storage_service.sharing.guests import Guests
from storage_service.sharing.sessions import ShareSessions
from storage_service.uploads.upload import Uploader


class Sharing:
    """The use cases. ``secrets``: seal sessions, as they do links."""

    def __init__(
        self,
        shares: tuple[GuestAccess, SharedThings],
        readers: tuple[FileReader, ProjectReader, CommittedReader, Unlocated],
        archives: ArchiveDownloader,
        uploader: Uploader,
        secrets: Sequence[str],
    ) -> None:
        access, things = shares
        self.guests = Guests(access, ShareSessions(*secrets))
        self.contents = SharedContents(things, *readers, archives)
        self.drops = Drops(self.guests, uploader)
