"""The use cases that StorageService hands requests to; ``services`` puts them together."""

from __future__ import annotations

from dataclasses import dataclass

from storage_service.attempts.failures import FailureTeller
from storage_service.draining import Draining
from storage_service.metadata.projects import ProjectSaves
from storage_service.projects.archive_saver import ArchiveSaver
from storage_service.projects.archives.downloads import ArchiveDownloader
from storage_service.projects.archives.exports import Exports
from storage_service.projects.rollback import ProjectRollback
from storage_service.projects.saver import ProjectSaver
from storage_service.reading.downloads import Downloader
from storage_service.reading.links import LinkSigner
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.previews import Previews
from storage_service.reading.signer import Signer
from storage_service.sessions.assembly import SessionUseCases
from storage_service.uploads.copier import Copier
from storage_service.uploads.deletions import Deletions
from storage_service.uploads.importing.importer import BatchImporter, Importer
from storage_service.uploads.mover import Mover
from storage_service.uploads.upload import Uploader


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases, one per field."""

    uploader: Uploader
    downloader: Downloader
    signer: Signer
    links: LinkSigner
    copier: Copier
    mover: Mover
    deletions: Deletions
    saves: ProjectSaves
    importer: Importer
    batch_importer: BatchImporter
    saver: ProjectSaver
    archive_saver: ArchiveSaver
    rollback: ProjectRollback
    archives: ArchiveDownloader
    exports: Exports
    previews: Previews
    outgoing: Outgoing
    sessions: SessionUseCases
    draining: Draining
    failures: FailureTeller
