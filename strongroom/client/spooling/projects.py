"""Projects in the state that they will have after the waiting operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from strongroom.client.project_trees import TreeFile
from strongroom.client.project_values import Project, ProjectFile, ProjectVersion, SavedProject
from strongroom.client.spooling.disk import Entry, SpoolDisk
from strongroom.client.spooling.documents import tree_of
from strongroom.client.spooling.view import made_at, raw_request
from strongroom.path_rules import as_stored
from strongroom.storage.v1 import project_pb2


@dataclass(frozen=True, slots=True)
class WaitingProject:
    """A project with waiting operations. ``files`` None: only the service knows all of them."""

    slug: str
    name: str
    created_at: datetime
    updated_at: datetime
    files: Mapping[str, TreeFile] | None
    is_gone: bool = False

    def project(self, owner_id: str) -> Project:
        """Return it as in lists, at version 0, because the service assigns the number."""
        files = (self.files or {}).values()
        return Project(
            id="",
            owner_id=owner_id,
            slug=self.slug,
            name=self.name,
            version=0,
            file_count=len(files),
            size=sum(file.size for file in files),
            has_frontend=False,
            has_backend=False,
            tech_stack=(),
            created_at=self.created_at,
            updated_at=self.updated_at,
            spooled=True,
        )

    def saved(self, owner_id: str) -> SavedProject:
        """Return the result of a save that waits."""
        project = self.project(owner_id)
        version = ProjectVersion(0, self.updated_at, project.file_count, project.size, 0, 0, 0, 0)
        return SavedProject(project, version)

    def listed(self) -> Sequence[ProjectFile]:
        """Return its files in path order; ``files`` must be known."""
        return [
            ProjectFile(file.path, "", "", file.size, 0, "", "", file.sha256, bool(file.executable))
            for _, file in sorted((self.files or {}).items())
        ]


def projects_of(disk: SpoolDisk, user_id: str) -> dict[str, WaitingProject]:
    """Return the projects with waiting operations, by slug."""
    found: dict[str, WaitingProject] = {}
    for entry in disk.entries():
        if entry.document["user_id"] == user_id:
            changed = _changed(entry, found)
            if changed is not None:
                found[changed.slug] = changed
    return found


def _changed(entry: Entry, before: Mapping[str, WaitingProject]) -> WaitingProject | None:
    """Return the project after an entry's operation."""
    raw, now = raw_request(entry), made_at(entry)
    match entry.document["message"]:
        case "SaveProjectSpec":
            spec = project_pb2.SaveProjectSpec.FromString(raw)
            known = _there(before, spec.slug)
            files = _tree_after(entry, spec, known) if entry.document["kind"] == "save" else None
            name = spec.name or (known.name if known else spec.slug)
            return WaitingProject(spec.slug, name, known.created_at if known else now, now, files)
        case "RollbackProjectRequest":
            slug = project_pb2.RollbackProjectRequest.FromString(raw).slug
            known = _there(before, slug)
            return WaitingProject(slug, known.name if known else slug, now, now, None)
        case "DeleteProjectRequest":
            slug = project_pb2.DeleteProjectRequest.FromString(raw).slug
            return WaitingProject(slug, slug, now, now, None, is_gone=True)
    return None


def _there(before: Mapping[str, WaitingProject], slug: str) -> WaitingProject | None:
    known = before.get(slug)
    return None if known is None or known.is_gone else known


def _tree_after(
    entry: Entry, spec: project_pb2.SaveProjectSpec, known: WaitingProject | None
) -> Mapping[str, TreeFile] | None:
    sent = {file.path: file for file in tree_of(entry)}
    if not spec.partial:
        return sent
    if known is None or known.files is None:
        return None
    removed = {as_stored(path) for path in entry.document["removed"]}
    return {path: file for path, file in {**known.files, **sent}.items() if path not in removed}
