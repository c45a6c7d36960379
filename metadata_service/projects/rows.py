"""Rows of projects, versions and their files, and conversion to protobuf."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from metadata_service.blobs import scans
from metadata_service.db.database import Row, Statement
from metadata_service.db.timestamps import to_proto
from metadata_service.files.layouts import project_file_key
from metadata_service.files.retention import OF_PROJECT, to_retention
from servicekit.presentation import split_charset
from strongroom.errors import ProjectNotFound, RequestInProgress, UploadSuperseded
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion, VersionLabel

#: Goes before statements over all files of a project, and lasts until the end of the transaction. They join
#: tables that hold a save for a moment (`project_save_files`, open blobs), which are usually empty in the
#: planner's statistics, whatever they contain now. A nested loop, right for one row, compares 5,000 files
#: with 5,000 files and exceeds the statement's time limit. Hash joins are right for any number.
HASH_JOINS: Final[Statement] = ("SELECT set_config('enable_nestloop', 'off', true)", ())


_RETRY_SECONDS: Final = 2.0

#: The blobs of a save: what to join `blobs` with, and on which condition.
STAGED: Final = "project_save_files AS staged"
OF_SAVE: Final = """staged.owner_id = %(owner)s AND staged.save_id = %(save)s
    AND blobs.owner_id = staged.owner_id AND blobs.id = staged.blob_id"""
#: The columns for `to_project`, in its order.
PROJECT_COLUMNS: Final = f"""
projects.id::text, projects.owner_id, projects.slug, projects.name, projects.version, projects.file_count,
projects.size_bytes, projects.has_frontend, projects.has_backend, projects.tech_stack, projects.created_at,
projects.updated_at, {OF_PROJECT}
"""
#: The columns for `to_version`, in its order.
VERSION_COLUMNS: Final = """
versions.version, versions.created_at, versions.file_count, versions.size_bytes, versions.added,
versions.changed, versions.removed, versions.rolled_back_to, versions.name, versions.message, versions.tags
"""
#: The columns for `to_file`, in its order.
FILE_COLUMNS: Final = f"""
files.path, files.version_id, files.size_bytes, files.crc32c, files.content_type, files.etag, files.sha256,
files.created_at, files.executable, coalesce(files.damage, 0), {scans.SHOWN}
"""


def to_project(row: Row) -> Project:
    """Convert a row of PROJECT_COLUMNS."""
    (
        project_id,
        owner_id,
        slug,
        name,
        version,
        count,
        size,
        frontend,
        backend,
        stack,
        created,
        updated,
        kept,
    ) = row
    project = Project(
        id=project_id,
        owner_id=owner_id,
        slug=slug,
        name=name,
        version=version,
        file_count=count,
        size_bytes=size,
        has_frontend=frontend,
        has_backend=backend,
        tech_stack=stack,
        create_time=to_proto(created),
        update_time=to_proto(updated),
    )
    if kept is not None:
        project.retention.CopyFrom(to_retention(kept))
    return project


def to_version(row: Row) -> ProjectVersion:
    """Convert a row of VERSION_COLUMNS."""
    version, created, count, size, added, changed, removed, rolled_back_to, name, message, tags = row
    shown = ProjectVersion(
        version=version,
        create_time=to_proto(created),
        file_count=count,
        size_bytes=size,
        added=added,
        changed=changed,
        removed=removed,
        rolled_back_to=rolled_back_to,
    )
    if name or message or tags:
        shown.label.CopyFrom(VersionLabel(version_name=name, message=message, tags=tags))
    return shown


def key_prefix(owner_id: str, slug: str) -> str:
    """`projects/{user_id}/{slug}/`; with a path appended, the file's S3 key."""
    return project_file_key(owner_id, slug, "-")[:-1]


def to_file(prefix: str, row: Row) -> ProjectFile:
    """Convert a row of FILE_COLUMNS; `prefix` is the project's `key_prefix`."""
    path, version_id, size, crc32c, content_type, etag, sha256, created, executable, damage, scan = row
    kind, charset = split_charset(content_type)
    file = ProjectFile(
        path=path,
        key=prefix + path,
        version_id=version_id,
        size_bytes=size,
        crc32c=crc32c,
        content_type=kind,
        charset=charset,
        etag=etag,
        sha256=sha256,
        create_time=to_proto(created),
        executable=executable,
        data_loss=damage,
    )
    if scan is not None:
        file.scan.CopyFrom(scans.to_scan(scan))
    return file


def project_not_found() -> ProjectNotFound:
    """The error for a project that the caller does not have; it does not reveal whether somebody else has."""
    return ProjectNotFound("There is no such project, or it is not yours.")


def save_in_progress(_lease: timedelta | None = None) -> RequestInProgress:
    """The error if another save of this project, or of this request, is in progress.

    Its lease does not say how long it will take: it is renewed while the save lives.
    """
    return RequestInProgress(
        "A save of this project is under way; try again in a moment.", retry_after=_RETRY_SECONDS
    )


def save_is_over() -> UploadSuperseded:
    """The error for a save that has ended: it was given up, or its project was deleted."""
    return UploadSuperseded(
        "This save is over: it was silent for too long, or its project was deleted; send it again."
    )
