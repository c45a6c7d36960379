"""Return values of the calls for projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from strongroom.client.arguments import several
from strongroom.client.files import LOSSES, Kept, kept_of
from strongroom.metadata.v1 import project_pb2


@dataclass(frozen=True, slots=True)
class Project:
    """A project at its newest version. ``size`` in bytes; times are timezone-aware, in UTC. ``spooled``: that
    version waits in the caller's spool, and has no number (0) yet. ``kept``: retention of the project with
    all versions.
    """

    id: str
    owner_id: str
    slug: str
    name: str
    version: int
    file_count: int
    size: int
    has_frontend: bool
    has_backend: bool
    tech_stack: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    spooled: bool = False
    kept: Kept | None = None

    @classmethod
    def from_proto(cls, project: project_pb2.Project) -> Project:
        """The value for a ``strongroom.metadata.v1.Project``."""
        return cls(
            project.id,
            project.owner_id,
            project.slug,
            project.name,
            project.version,
            project.file_count,
            project.size_bytes,
            project.has_frontend,
            project.has_backend,
            tuple(project.tech_stack),
            project.create_time.ToDatetime(tzinfo=UTC),
            project.update_time.ToDatetime(tzinfo=UTC),
            kept=kept_of(project.retention) if project.HasField("retention") else None,
        )


@dataclass(frozen=True, slots=True)
class Label:
    """Labels of a version: a name, a message (what changed and why), up to 32 tags."""

    name: str = ""
    message: str = ""
    tags: tuple[str, ...] = ()

    def to_proto(self) -> project_pb2.VersionLabel | None:
        """Return the labels as requests contain them; None if all are empty."""
        label = project_pb2.VersionLabel(
            version_name=self.name, message=self.message, tags=several("tags", self.tags)
        )
        return label if label.ByteSize() else None


@dataclass(frozen=True, slots=True)
class VersionRule:
    """Which old versions are kept: a number of newest ones (0: all), and the last one of each day for
    ``daily_days``. ``own``: whether it is the project's own rule.
    """

    keep_last: int
    daily_days: int
    own: bool


@dataclass(frozen=True, slots=True)
class ProjectVersion:
    """One version. ``added``, ``changed``, ``removed``: paths, against the version before;
    ``rolled_back_to``: the version it restored, 0 for a save. ``name``, ``message``, ``tags``: its labels.
    """

    version: int
    created_at: datetime
    file_count: int
    size: int
    added: int
    changed: int
    removed: int
    rolled_back_to: int
    name: str = ""
    message: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def from_proto(cls, version: project_pb2.ProjectVersion) -> ProjectVersion:
        """The value for a ``strongroom.metadata.v1.ProjectVersion``."""
        return cls(
            version.version,
            version.create_time.ToDatetime(tzinfo=UTC),
            version.file_count,
            version.size_bytes,
            version.added,
            version.changed,
            version.removed,
            version.rolled_back_to,
            version.label.version_name,
            version.label.message,
            tuple(version.label.tags),
        )


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """One file of one version. ``sha256``: 32 bytes. ``executable``: by its owner. ``data_loss``: its bytes
    are ``lost`` or ``corrupt``.
    """

    path: str
    key: str
    version_id: str
    size: int
    crc32c: int
    content_type: str
    etag: str
    sha256: bytes
    executable: bool = False
    data_loss: str = ""

    @classmethod
    def from_proto(cls, file: project_pb2.ProjectFile) -> ProjectFile:
        """The value for a ``strongroom.metadata.v1.ProjectFile``."""
        return cls(
            file.path,
            file.key,
            file.version_id,
            file.size_bytes,
            file.crc32c,
            file.content_type,
            file.etag,
            file.sha256,
            file.executable,
            LOSSES.get(file.data_loss, ""),
        )


@dataclass(frozen=True, slots=True)
class SavedProject:
    """The result of a save. ``sent``: number of files that were transferred; ``skipped``: links and special
    files of the tree, which projects can't contain.
    """

    project: Project
    version: ProjectVersion
    sent: int = 0
    skipped: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoredProject:
    """The result of a restore into ``directory``. ``written``: paths that were missing or different."""

    directory: Path
    version: int
    file_count: int
    written: tuple[str, ...]
