"""Builds the use cases of projects for ``services``."""

from __future__ import annotations

from dataclasses import dataclass

from storage_service.attempts.acts import HeldActs
from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import Attempts, WriteEngine
from storage_service.attempts.failures import FailureTeller
from storage_service.content.types import ContentRules
from storage_service.metadata.belongings import Belongings
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader, ProjectSaves
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.interface import ObjectStore
from storage_service.projects.archive_saver import ArchiveSaver
from storage_service.projects.archives.downloads import ArchiveDownloader
from storage_service.projects.archives.exports import Exports
from storage_service.projects.archives.manifest import ManifestRoom
from storage_service.projects.archives.sources import ArchiveSource
from storage_service.projects.archives.spool import Spool
from storage_service.projects.limits import ProjectLimits
from storage_service.projects.rollback import ProjectRollback
from storage_service.projects.runner import SaveRunner
from storage_service.projects.saver import ContentsSaver, ProjectSaver
from storage_service.projects.settler import KeySettler
from storage_service.reading.archive_looks import ArchiveLooks
from storage_service.reading.committed import CommittedReader
from storage_service.scanning.scanner import Scanner


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectParts:
    """Clients and settings.

    ``budget``: for incoming bodies. ``archive_memory``: for readers and writers of ZIPs.
    ``export_manifest_bytes``: disk for the manifests of exports.
    """

    store: ObjectStore
    objects: CommittedReader
    engine: WriteEngine
    attempts: Attempts
    saves: ProjectSaves
    reader: ProjectReader
    files: FileReader
    belongings: Belongings
    acts: HeldActs
    reservations: Reservations
    settler: KeySettler
    budget: ByteBudget
    archive_memory: ByteBudget
    export_manifest_bytes: int
    limits: ProjectLimits
    content: ContentRules
    scanner: Scanner
    failures: FailureTeller
    part_size: int
    looks: ArchiveLooks


class Projects:
    """The use cases."""

    def __init__(self, parts: ProjectParts) -> None:
        runner = SaveRunner(parts.saves, parts.engine, parts.settler, parts.failures)
        spool = Spool(
            parts.store,
            parts.reservations,
            parts.attempts,
            budget=parts.budget,
            part_size=parts.part_size,
        )
        contents = ContentsSaver(
            parts.store,
            parts.objects,
            parts.saves,
            parts.reader,
            budget=parts.budget,
            limits=parts.limits,
            content=parts.content,
            scanner=parts.scanner,
        )
        source = ArchiveSource(parts.objects, parts.archive_memory)
        self.saver = ProjectSaver(contents, runner, parts.reader)
        self.archive_saver = ArchiveSaver(contents, runner, spool, parts.archive_memory)
        self.rollback = ProjectRollback(contents, runner, parts.reader)
        room = ManifestRoom(parts.export_manifest_bytes)
        self.exports = Exports(source, parts.files, parts.reader, parts.belongings, parts.acts, room=room)
        self.archives = ArchiveDownloader(source, parts.files, parts.reader, parts.looks)
