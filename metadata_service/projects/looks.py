"""Statements that request looks at keys (see `keys`), for the transactions that make them necessary."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.db.database import Statement
from metadata_service.projects.rows import key_prefix

_AGAIN: Final = """
ON CONFLICT (owner_id, key) DO UPDATE SET epoch = project_keys.epoch + 1, attempts = 0, touched_at = now(),
    not_before = excluded.not_before
"""
#: For files named by a condition: due at the same time as their objects.
_DUE_LATER: Final = """
INSERT INTO project_keys (owner_id, key, slug, path, not_before)
SELECT DISTINCT owner_id, %(prefix)s || path, %(slug)s, path, now() + make_interval(secs => %(grace)s)
FROM project_files AS files
"""
_WRITTEN: Final = f"""
INSERT INTO project_keys (owner_id, key, slug, path, not_before)
SELECT owner_id, %(prefix)s || path, %(slug)s, path, now() FROM project_save_files
WHERE owner_id = %(owner)s AND save_id = %(save)s AND blob_id IS NOT NULL
{_AGAIN}
"""
_DROPPED: Final = f"""
INSERT INTO project_keys (owner_id, key, slug, path, not_before)
SELECT owner_id, %(prefix)s || path, %(slug)s, path, now() FROM project_files AS files
WHERE owner_id = %(owner)s AND project_id = %(project)s AND until_version IS NULL AND NOT EXISTS (
    SELECT FROM project_save_files AS staged WHERE staged.owner_id = files.owner_id
        AND staged.save_id = %(save)s AND staged.path = files.path)
{_AGAIN}
"""
_RETURNED: Final = f"""
INSERT INTO project_keys (owner_id, key, slug, path, not_before)
SELECT staged.owner_id, %(prefix)s || staged.path, %(slug)s, staged.path, now()
FROM project_save_files AS staged
WHERE staged.owner_id = %(owner)s AND staged.save_id = %(save)s AND staged.blob_id IS NOT NULL
    AND EXISTS (SELECT FROM project_files AS older WHERE older.owner_id = staged.owner_id
        AND older.project_id = %(project)s AND older.path = staged.path)
    AND NOT EXISTS (SELECT FROM project_files AS newest WHERE newest.owner_id = staged.owner_id
        AND newest.project_id = %(project)s AND newest.path = staged.path AND newest.until_version IS NULL)
{_AGAIN}
"""
_KNOWN: Final = """
UPDATE project_keys AS keys SET epoch = keys.epoch + 1, attempts = 0, touched_at = now(), not_before = now()
FROM project_save_files AS staged
WHERE staged.owner_id = %(owner)s AND staged.save_id = %(save)s AND staged.blob_id IS NOT NULL
    AND keys.owner_id = staged.owner_id AND keys.key = %(prefix)s || staged.path
"""
_ENDED: Final = f"""
{_DUE_LATER}
WHERE owner_id = %(owner)s AND project_id = %(project)s AND until_version IS NOT NULL AND NOT EXISTS (
    SELECT FROM project_files AS following WHERE following.owner_id = files.owner_id
        AND following.project_id = files.project_id AND following.path = files.path
        AND following.from_version = files.until_version)
{_AGAIN}
"""
_OUTSTANDING: Final = """
UPDATE project_keys SET epoch = epoch + 1, attempts = 0, touched_at = now(),
    not_before = now() + make_interval(secs => %(grace)s)
WHERE owner_id = %(owner)s AND slug = %(slug)s
"""


_PRUNED: Final = f"""
{_DUE_LATER}
WHERE {{gone}} AND NOT EXISTS (
    SELECT FROM project_files AS newest WHERE newest.owner_id = files.owner_id
        AND newest.project_id = files.project_id AND newest.path = files.path
        AND newest.until_version IS NULL)
{_AGAIN}
"""


def pruned(owner_id: str, slug: str, project_id: UUID, gone: str, grace: float) -> Statement:
    """Contents of old versions are removed, those in the condition `gone`: keys that have a delete marker.

    Due at the same time as their objects.
    """
    params = _of_project(owner_id, slug, project=project_id, grace=grace)
    return _PRUNED.format(gone=gone), params


def written(owner_id: str, slug: str, save_id: UUID) -> Statement:
    """A save is given up: keys that it may have written."""
    return _WRITTEN, _of_project(owner_id, slug, save=save_id)


def committed(owner_id: str, slug: str, project_id: UUID, save_id: UUID) -> list[Statement]:
    """A save commits: keys that the newest version no longer has, keys that it has again (a delete marker is
    underneath), and written keys with a pending look.
    """
    params = _of_project(owner_id, slug, save=save_id, project=project_id)
    return [(_DROPPED, params), (_RETURNED, params), (_KNOWN, params)]


def removed(owner_id: str, slug: str, project_id: UUID, grace: float) -> list[Statement]:
    """A project is deleted: keys that have, or may get, a delete marker. Due at the same time as their
    objects.
    """
    params = _of_project(owner_id, slug, project=project_id, grace=grace)
    return [(_OUTSTANDING, params), (_ENDED, params)]


def _of_project(owner_id: str, slug: str, **more: object) -> dict[str, object]:
    return {"owner": owner_id, "prefix": key_prefix(owner_id, slug), "slug": slug, **more}
