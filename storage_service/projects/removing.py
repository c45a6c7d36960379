"""DeleteProject: D1 in the database; the cleaner removes every version's objects and the markers."""

from __future__ import annotations

from storage_service.metadata.project_interfaces import ProjectRemoval
from strongroom.metadata.v1.project_pb2 import Project
from strongroom.storage.v1.project_pb2 import DeleteProjectRequest


class ProjectDeleter:
    """The use case; one instance per process."""

    def __init__(self, removal: ProjectRemoval) -> None:
        self._removal = removal

    async def delete(self, request: DeleteProjectRequest) -> Project:
        """The project as it was; invisible from now on. Raises ProjectNotFound."""
        return await self._removal.remove(request.slug, request.user_id)
