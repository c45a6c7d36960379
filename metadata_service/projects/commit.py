"""CommitSave, T4 of a project: commits version, files, blobs, answer, event and usage together, or
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service import idempotency
from metadata_service.blobs import transitions
from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, Database, Transaction, user
from metadata_service.files.retention import HOLD_MORE, KEEP_UNTIL, lock_holds, note_hold, wish_params
from metadata_service.projects import events, looks
from metadata_service.projects.rows import (
    HASH_JOINS,
    OF_SAVE,
    PROJECT_COLUMNS,
    STAGED,
    VERSION_COLUMNS,
    save_is_over,
    to_project,
    to_version,
)
from metadata_service.projects.staging import record
from metadata_service.usage import quota
from servicekit import failpoints
from strongroom.errors import InvalidField, VersionNotFound
from strongroom.metadata.v1.project_save_service_pb2 import CommitSaveRequest, CommitSaveResponse
from strongroom.metadata.v1.retention_pb2 import RetentionWish

BEFORE_COMMIT: Final = failpoints.register("metadata.project.commit.before_commit")
AFTER_COMMIT: Final = failpoints.register("metadata.project.commit.after_commit")

_LOCK: Final = """
SELECT projects.id, projects.slug, saves.base_version, saves.request_id, saves.retention FROM projects
JOIN project_saves AS saves ON saves.owner_id = projects.owner_id AND saves.project_id = projects.id
WHERE saves.owner_id = %(owner)s AND saves.id = %(save)s FOR UPDATE
"""
_COUNT: Final = """
WITH newest AS (
    SELECT path FROM project_files
    WHERE owner_id = %(owner)s AND project_id = %(project)s AND until_version IS NULL
)
SELECT count(*) FILTER (WHERE staged.path IS NOT NULL),
    count(*) FILTER (WHERE staged.blob_id IS NOT NULL),
    count(*) FILTER (WHERE staged.path IS NOT NULL
        AND CASE WHEN staged.blob_id IS NULL THEN newest.path IS NULL ELSE staged.version_id IS NULL END),
    count(*) FILTER (WHERE staged.blob_id IS NOT NULL AND newest.path IS NULL),
    count(*) FILTER (WHERE staged.blob_id IS NOT NULL AND newest.path IS NOT NULL),
    count(*) FILTER (WHERE staged.path IS NULL),
    coalesce(sum(staged.size_bytes), 0)::bigint,
    coalesce(sum(staged.size_bytes) FILTER (WHERE staged.blob_id IS NOT NULL), 0)::bigint
FROM (SELECT * FROM project_save_files WHERE owner_id = %(owner)s AND save_id = %(save)s) AS staged
FULL JOIN newest ON newest.path = staged.path
"""
_BLOBS: Final = transitions.COMMIT_STAGED.of(OF_SAVE, STAGED)
_DOUBTFUL: Final = """
SELECT blob_id FROM project_save_files
WHERE owner_id = %(owner)s AND save_id = %(save)s AND doubtful AND blob_id IS NOT NULL
"""
_CLOSE: Final = """
UPDATE project_files AS files SET until_version = %(version)s
WHERE files.owner_id = %(owner)s AND files.project_id = %(project)s AND files.until_version IS NULL
    AND NOT EXISTS (
        SELECT FROM project_save_files AS staged WHERE staged.owner_id = files.owner_id
            AND staged.save_id = %(save)s AND staged.path = files.path AND staged.blob_id IS NULL)
"""
_OPEN: Final = """
INSERT INTO project_files (owner_id, project_id, path, from_version, blob_id, version_id, etag, crc32c,
    size_bytes, sha256, content_type, executable)
SELECT owner_id, %(project)s, path, %(version)s, blob_id, version_id, etag, crc32c, size_bytes, sha256,
    content_type, executable
FROM project_save_files WHERE owner_id = %(owner)s AND save_id = %(save)s AND blob_id IS NOT NULL
"""
_TRAITS: Final = """
SELECT has_frontend, has_backend, tech_stack FROM project_versions
WHERE owner_id = %(owner)s AND project_id = %(project)s AND version = %(restored)s
"""
_VERSION: Final = f"""
INSERT INTO project_versions AS versions (owner_id, project_id, version, save_id, file_count, size_bytes,
    has_frontend, has_backend, tech_stack, added, changed, removed, rolled_back_to, content_sha256,
    name, message, tags)
VALUES (%(owner)s, %(project)s, %(version)s, %(save)s, %(count)s, %(size)s,
    %(frontend)s, %(backend)s, %(stack)s, %(added)s, %(changed)s, %(removed)s, %(restored)s, %(content)s,
    %(label)s, %(message)s, %(tags)s::text[])
RETURNING {VERSION_COLUMNS}
"""
_PROJECT: Final = f"""
UPDATE projects SET version = %(version)s, file_count = %(count)s, size_bytes = %(size)s,
    has_frontend = %(frontend)s, has_backend = %(backend)s, tech_stack = %(stack)s, updated_at = now(),
    keep_until = greatest(keep_until, now() + make_interval(secs => %(keep)s::float8), {KEEP_UNTIL}),
    {HOLD_MORE},
    created_at = CASE WHEN version = 0 THEN now() ELSE created_at END,
    name = coalesce(nullif((SELECT saves.name FROM project_saves AS saves
        WHERE saves.owner_id = %(owner)s AND saves.id = %(save)s), ''), projects.name)
WHERE owner_id = %(owner)s AND id = %(project)s RETURNING {PROJECT_COLUMNS}
"""
_END: Final = "DELETE FROM project_saves WHERE owner_id = %(owner)s AND id = %(save)s"
_DONE: Final = f"""
SELECT {PROJECT_COLUMNS}, versions.has_frontend, versions.has_backend, versions.tech_stack,
    versions.content_sha256, {VERSION_COLUMNS}
FROM project_versions AS versions JOIN projects
    ON projects.owner_id = versions.owner_id AND projects.id = versions.project_id
WHERE versions.owner_id = %(owner)s AND versions.save_id = %(save)s
"""


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of the new version, and its differences from the one before."""

    files: int
    written: int
    unwritten: int
    added: int
    changed: int
    removed: int
    size: int
    written_size: int


class SaveCommitter:
    """Commits saves. `keep`: seconds for which the project can't be deleted."""

    def __init__(self, database: Database, timing: Timing, *, keep: float | None = None) -> None:
        self._database = database
        self._timing = timing
        self._keep = keep

    async def commit(self, request: CommitSaveRequest) -> CommitSaveResponse:
        """Commit a save. Returns the project at its new version; the same when repeated.

        Raises UploadSuperseded (given up, or the project was deleted), VersionNotFound (of a roll-back),
        InvalidField (reserved files were not recorded).
        """
        response = await self._database.transact(
            user(request.owner_id),
            lambda tx: self._in_transaction(tx, request),
            seconds=LARGE_SECONDS,
        )
        await failpoints.hit(AFTER_COMMIT)
        return response

    async def _in_transaction(self, tx: Transaction, request: CommitSaveRequest) -> CommitSaveResponse:
        owner_id, save_id = request.owner_id, UUID(request.save_id)
        params: dict[str, object] = {"owner": owner_id, "save": save_id}
        row = await tx.fetch_one(_LOCK, params)
        if row is None:
            return await _made_before(tx, params)
        project_id, slug, base, request_id, wished = row
        wish = RetentionWish.FromString(wished or b"")
        params |= {"project": project_id, "version": base + 1, **wish_params(wish, owner_id)}
        await record(tx, owner_id, save_id, list(request.entries))
        counts = await _counts(tx, params, request.file_count)
        params |= await _traits(tx, params, request)
        params |= _facts(request, counts) | {"keep": self._keep}
        await _move_files(tx, owner_id, slug, params, counts)
        doubtful = [blob_id for (blob_id,) in await tx.fetch(_DOUBTFUL, params)]
        if doubtful:
            await tx.execute(*transitions.look_again(owner_id, doubtful, self._timing.tombstone_grace))
        versions, projects = await tx.fetch_batch([(_VERSION, params), (_PROJECT, params)])
        if self._keep is not None:
            await lock_holds(tx, owner_id)
        await note_hold(tx, owner_id, wish, {"project": slug})
        response = CommitSaveResponse(
            project=to_project(projects[0]),
            version=to_version(versions[0]),
            content_sha256=request.content_sha256,
        )
        statements = [(_END, params), events.project_saved(response.project)]
        if request_id:
            keep = self._timing.idempotency
            statements.append(
                idempotency.answer_save(owner_id, request_id, save_id, response.SerializeToString(), keep)
            )
        statements.append(quota.count(owner_id, counts.written_size, counts.written))
        await tx.batch(statements)
        await failpoints.hit(BEFORE_COMMIT)
        return response


def _facts(request: CommitSaveRequest, counts: _Counts) -> dict[str, object]:
    """What the version's row says about its files, and what its author says about it."""
    return {
        "count": counts.files,
        "size": counts.size,
        "added": counts.added,
        "changed": counts.changed,
        "removed": counts.removed,
        "content": request.content_sha256,
        "label": request.label.version_name,
        "message": request.label.message,
        "tags": list(request.label.tags),
    }


async def _move_files(
    tx: Transaction, owner_id: str, slug: str, params: dict[str, object], counts: _Counts
) -> None:
    """Move the staged files to the new version, and request a look at the keys that change."""
    project_id, save_id = params["project"], params["save"]
    if not isinstance(project_id, UUID) or not isinstance(save_id, UUID):
        raise TypeError("ids are UUIDs")
    _, committed = await tx.batch([HASH_JOINS, (_BLOBS, params)])
    if committed != counts.written:
        raise save_is_over()
    await tx.batch([*looks.committed(owner_id, slug, project_id, save_id), (_CLOSE, params), (_OPEN, params)])


async def _counts(tx: Transaction, params: dict[str, object], expected: int) -> _Counts:
    counts = _Counts(*(await tx.fetch(_COUNT, params))[0])
    if counts.unwritten or counts.files != expected:
        raise InvalidField(
            f"{expected} files were to be saved; {counts.files} are reserved, {counts.unwritten} unwritten.",
            field="file_count",
            rule="complete",
        )
    return counts


async def _traits(
    tx: Transaction, params: dict[str, object], request: CommitSaveRequest
) -> dict[str, object]:
    """The technologies and flags of the request, or of the restored version."""
    restored = request.rolled_back_to
    frontend, backend, stack = request.has_frontend, request.has_backend, list(request.tech_stack)
    if restored:
        row = await tx.fetch_one(_TRAITS, params | {"restored": restored})
        if row is None:
            raise VersionNotFound(f"The project has no version {restored}.")
        frontend, backend, stack = row
    return {"restored": restored, "frontend": frontend, "backend": backend, "stack": stack}


async def _made_before(tx: Transaction, params: dict[str, object]) -> CommitSaveResponse:
    """The answer for a save that has ended: its version, if it made one. Raises UploadSuperseded."""
    row = await tx.fetch_one(_DONE, params)
    if row is None:
        raise save_is_over()
    project, (frontend, backend, stack, content), version = (
        to_project(row[:13]),
        row[13:17],
        to_version(row[17:]),
    )
    project.version, project.file_count, project.size_bytes = (
        version.version,
        version.file_count,
        version.size_bytes,
    )
    project.has_frontend, project.has_backend = frontend, backend
    del project.tech_stack[:]
    project.tech_stack.extend(stack)
    project.update_time.CopyFrom(version.create_time)
    return CommitSaveResponse(project=project, version=version, content_sha256=content)
