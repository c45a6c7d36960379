"""Changes the label of a version (name, message, tags), which its save has set."""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Database, Transaction, user
from metadata_service.projects.rows import VERSION_COLUMNS, project_not_found, to_version
from servicekit.texts import refuse_nul
from strongroom.errors import InvalidField, VersionNotFound
from strongroom.metadata.v1.project_pb2 import ProjectVersion
from strongroom.metadata.v1.project_service_pb2 import UpdateProjectVersionRequest

#: Pruning (`projects.pruning`) holds the row's lock while it works: either it sees the new name or tag, which
#: keeps the version, or the caller sees that the version is gone.
_PROJECT: Final = """
SELECT id FROM projects WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0 FOR KEY SHARE
"""
_UPDATE: Final = f"""
UPDATE project_versions AS versions SET name = coalesce(%(label)s, name),
    message = coalesce(%(message)s, message), tags = coalesce(%(tags)s::text[], tags)
WHERE owner_id = %(owner)s AND project_id = %(project)s AND version = %(version)s
RETURNING {VERSION_COLUMNS}
"""


class VersionLabels:
    """Changes labels."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(self, owner_id: str, request: UpdateProjectVersionRequest) -> ProjectVersion:
        """Change a version's label, and return the version. Raises ProjectNotFound, VersionNotFound,
        InvalidField.
        """
        refuse_nul(request, "version")
        tags = list(request.tags.values) if request.HasField("tags") else None
        if tags is not None and len(set(tags)) != len(tags):
            raise InvalidField("a tag appears twice in the list", field="tags", rule="unique")
        params: dict[str, object] = {
            "owner": owner_id,
            "slug": request.slug,
            "version": request.version,
            "label": request.name if request.HasField("name") else None,
            "message": request.message if request.HasField("message") else None,
            "tags": tags,
        }

        async def work(tx: Transaction) -> ProjectVersion:
            project = await tx.fetch_one(_PROJECT, params)
            if project is None:
                raise project_not_found()
            row = await tx.fetch_one(_UPDATE, params | {"project": project[0]})
            if row is None:
                raise VersionNotFound(f"The project has no version {request.version} (any more).")
            return to_version(row)

        return await self._database.transact(user(owner_id), work)
