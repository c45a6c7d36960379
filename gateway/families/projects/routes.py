"""Family D: project trees under ``/api/projects``."""

from __future__ import annotations

from typing import Final

from gateway.families.projects.json_tree import KEEPING, MAX_VERSION
from gateway.families.projects.labels import label_of
from gateway.families.projects.preview_urls import page_at, preview_url, sign_previews, urls_of_previews
from gateway.families.projects.reading import ProjectReply, list_files
from gateway.families.projects.rules import add_rules
from gateway.families.projects.saving import save_archive, save_changes, save_tree
from gateway.families.projects.shapes import (
    Done,
    ListedProject,
    NamedTreeFile,
    OneProject,
    OneVersion,
    PreviewUrl,
    ProjectList,
    RollbackBody,
    Saved,
    TreeListing,
    Version,
    VersionEdit,
    VersionList,
)
from gateway.http import fields
from gateway.http.exchange import idempotency_key
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, Reply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.polling import Poll
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.chunked import archive_reply
from gateway.upstream.downloads import Wanted, file_reply
from gateway.upstream.rpcs import (
    DELETE_PROJECT,
    GET_PROJECT,
    LIST_PROJECT_FILES,
    LIST_PROJECT_VERSIONS,
    LIST_PROJECTS,
    ROLLBACK_PROJECT,
    UPDATE_PROJECT_VERSION,
)
from gateway.upstream.wishes import STORAGE_CLASS, retention_of, storage_class_of
from strongroom.errors import InvalidField, UnsupportedMediaType, VersionNotFound
from strongroom.metadata.v1.event_media_service_pb2 import Tags
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.metadata.v1.project_service_pb2 import (
    GetProjectRequest,
    ListProjectFilesRequest,
    ListProjectsRequest,
    ListProjectVersionsRequest,
    UpdateProjectVersionRequest,
)
from strongroom.storage.v1.download_pb2 import (
    DownloadArchiveRequest,
    DownloadRequest,
    ProjectFileName,
    ProjectVersionName,
)
from strongroom.storage.v1.project_pb2 import DeleteProjectRequest, RollbackProjectRequest, SaveProjectSpec

PREFIX: Final = "/api/projects"
ONE: Final = PREFIX + "/{slug}"
PREVIEW: Final = "/api/sandbox-preview/{slug}"
MAX_PAGE: Final = 100
MAX_PREVIEW_SECONDS: Final = 86_400
ZIP: Final = "application/zip"
ZIP_TYPES: Final = (ZIP, "application/x-zip-compressed", "application/octet-stream")

routes = Routes("projects")
add_rules(routes)


@routes.add("POST", PREFIX + "/save")
async def save_project(call: Call) -> JsonReply[Saved]:
    """Save a tree as the project's next version: all files or none."""
    expected = _optional_version(call, "expected_version", minimum=0)
    response = await save_tree(call, expected)
    return json_reply(_saved(response.project, response.version))


@routes.add("POST", ONE + "/archive")
async def save_project_archive(call: Call) -> JsonReply[Saved]:
    """Save the content of a ZIP as the project's next version."""
    kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if kind not in ZIP_TYPES:
        raise UnsupportedMediaType(f"Send the ZIP as {ZIP}.", metadata={"expected": ZIP})
    spec = SaveProjectSpec(
        slug=call.path["slug"],
        name=call.query("name") or "",
        expected_version=_optional_version(call, "expected_version", minimum=0),
        request_id=idempotency_key(call),
        user_id=call.user_id(),
        retention=retention_of({name: call.query(name) for name in KEEPING}),
        storage_class=storage_class_of({STORAGE_CLASS: call.query(STORAGE_CLASS)}),
        label=label_of(call),
    )
    response = await save_archive(call, spec)
    return json_reply(_saved(response.project, response.version))


@routes.add("PATCH", ONE)
async def patch_project(call: Call) -> JsonReply[Saved]:
    """Save some files and remove some as the project's next version; the others stay."""
    expected = _optional_version(call, "expected_version", minimum=0)
    response = await save_changes(call, call.path["slug"], expected)
    return json_reply(_saved(response.project, response.version))


@routes.add("GET", PREFIX)
async def list_projects(call: Call) -> JsonReply[ProjectList]:
    """A page of the caller's projects, newest change first."""
    return await _list(call)


@routes.add("GET", "/api/project-history")
async def project_history(call: Call) -> JsonReply[ProjectList]:
    """The same list, under an older name."""
    return await _list(call)


@routes.add("GET", ONE)
async def get_project(call: Call) -> JsonReply[OneProject]:
    """A version of a project with the content of all its files."""
    wanted = _version(call)
    project = await _project(call)
    listed = await list_files(call, project.slug, wanted)
    return ProjectReply(call, project, listed.version, listed.files)


@routes.add("GET", ONE + "/archive")
async def get_project_archive(call: Call) -> Reply:
    """A version of a project as a ZIP."""
    slug = call.path["slug"]
    name = ProjectVersionName(slug=slug, version=_version(call))
    request = DownloadArchiveRequest(project=name, user_id=call.user_id())
    return await archive_reply(call, request, f"{slug}.zip")


@routes.add("GET", ONE + "/files")
async def list_project_files(call: Call) -> JsonReply[TreeListing]:
    """The names and digests of a version's files."""
    fields.only(call, "version")
    wanted, poll = _version(call), Poll(call)
    if (same := await poll.unchanged()) is not None:
        return same
    listed = await list_files(call, call.path["slug"], wanted)
    return poll.reply(
        {
            "success": True,
            "version": listed.version,
            "files": [_show_file(file) for file in listed.files],
        },
        listed.revision,
    )


@routes.add("GET", ONE + "/files/{path:path}")
async def get_project_file(call: Call) -> Reply:
    """One file's bytes."""
    name = ProjectFileName(slug=call.path["slug"], path=call.path["path"], version=_version(call))
    return await file_reply(call, Wanted(DownloadRequest(project_file=name, user_id=call.user_id())))


@routes.add("GET", ONE + "/versions")
async def list_project_versions(call: Call) -> JsonReply[VersionList]:
    """All versions, newest first."""
    fields.only(call)
    poll = Poll(call)
    if (same := await poll.unchanged()) is not None:
        return same
    versions: list[ProjectVersion] = []
    token = revision = ""
    while True:
        request = ListProjectVersionsRequest(
            slug=call.path["slug"], page_size=1000, page_token=token, user_id=call.user_id()
        )
        response = await call.ask(LIST_PROJECT_VERSIONS, request)
        versions += response.versions
        revision = revision or response.revision
        token = response.next_page_token
        if not token:
            break
    return poll.reply(
        {"success": True, "versions": [_show_version(version) for version in versions]}, revision
    )


@routes.add("PATCH", ONE + "/versions/{version}")
async def edit_project_version(call: Call) -> JsonReply[OneVersion]:
    """Change a version's label: a merge patch (RFC 7396)."""
    body = await read_json(call, VersionEdit)
    sent = body.model_fields_set
    if not sent:
        raise InvalidField("Send at least one member to change.", field="body", rule="required")
    request = UpdateProjectVersionRequest(
        slug=call.path["slug"],
        version=_path_version(call),
        name=(body.name or "") if "name" in sent else None,
        message=(body.message or "") if "message" in sent else None,
        tags=Tags(values=dict.fromkeys(body.tags or ())) if "tags" in sent else None,
        user_id=call.user_id(),
    )
    response = await call.ask(UPDATE_PROJECT_VERSION, request)
    return json_reply({"success": True, "version": _show_version(response.version)})


@routes.add("POST", ONE + "/rollback")
async def rollback_project(call: Call) -> JsonReply[Saved]:
    """Make a new version with the content of an old one."""
    body = await read_json(call, RollbackBody)
    request = RollbackProjectRequest(
        slug=call.path["slug"],
        version=body.version,
        expected_version=body.expected_version,
        request_id=idempotency_key(call),
        user_id=call.user_id(),
        label=label_of(call, body),
    )
    response = await call.ask(ROLLBACK_PROJECT, request)
    return json_reply(_saved(response.project, response.version, f"Rolled back to version {body.version}."))


@routes.add("DELETE", ONE)
async def delete_project(call: Call) -> JsonReply[Done]:
    """Delete the project with the objects of all versions."""
    request = DeleteProjectRequest(
        slug=call.path["slug"],
        user_id=call.user_id(),
        expected_version=_optional_version(call, "expected_version", minimum=0),
    )
    await call.ask(DELETE_PROJECT, request)
    return json_reply({"success": True, "message": "Project deleted successfully"})


@routes.add("GET", ONE + "/preview-url")
async def project_preview_url(call: Call) -> JsonReply[PreviewUrl]:
    """A URL that shows a version of the project in a browser, without a bearer token."""
    slug = call.path["slug"]
    seconds = 0  # as long as a page may use its own address
    if call.query("expires_in") is not None:
        seconds = fields.integer(call, "expires_in", default=0, minimum=1, maximum=MAX_PREVIEW_SECONDS)
    version = _version(call)
    project = (await call.ask(GET_PROJECT, GetProjectRequest(slug=slug, user_id=call.user_id()))).project
    if version:
        request = ListProjectFilesRequest(slug=slug, version=version, page_size=1, user_id=call.user_id())
        await call.ask(LIST_PROJECT_FILES, request)  # whether there is such a version
    version = version or project.version
    signed = await sign_previews(call, [(project, version)], seconds)
    return json_reply(
        {
            "success": True,
            "preview_url": preview_url(call, signed.tokens[0]),
            "version": version,
            "expires_in": signed.expires_in_seconds,
            "expires_at": rfc3339(signed.expire_time),
        },
        secret=True,
    )


@routes.add("GET", PREVIEW, scripts=True)
async def preview_project_index(call: Call) -> Reply:
    """The start page of the project's static front end."""
    return await _preview(call, "")


@routes.add("GET", PREVIEW + "/", scripts=True)
async def preview_project_folder(call: Call) -> Reply:
    """The same, at the address from which its relative links lead to the project's files."""
    return await _preview(call, "")


@routes.add("GET", PREVIEW + "/{path:path}", scripts=True)
async def preview_project(call: Call) -> Reply:
    """A file of the project's static front end, for an ``<iframe>``."""
    return await _preview(call, call.path["path"])


async def _preview(call: Call, path: str) -> Reply:
    name = ProjectFileName(slug=call.path["slug"], path=page_at(path), front_end=True)
    request = DownloadRequest(project_file=name, user_id=call.user_id())
    return await file_reply(call, Wanted(request, preview=True))


async def _list(call: Call) -> JsonReply[ProjectList]:
    fields.only(call, "limit", "page_token")
    limit = fields.integer(call, "limit", default=20, minimum=1, maximum=MAX_PAGE, clamp=True)
    request = ListProjectsRequest(
        page_size=limit, page_token=call.query("page_token") or "", user_id=call.user_id()
    )
    poll = Poll(call, "previews")
    if (same := await poll.unchanged()) is not None:
        return same
    response = await call.ask(LIST_PROJECTS, request)
    previews, stamp = await urls_of_previews(call, response.projects)
    return poll.reply(
        {
            "success": True,
            "projects": [
                _show(project, preview) for project, preview in zip(response.projects, previews, strict=True)
            ],
            "count": response.total_size,
            "next_page_token": response.next_page_token or None,
        },
        response.revision,
        stamp,
    )


async def _project(call: Call) -> Project:
    request = GetProjectRequest(slug=call.path["slug"], user_id=call.user_id())
    return (await call.ask(GET_PROJECT, request)).project


def _version(call: Call) -> int:
    """The requested version; 0: the newest."""
    return _optional_version(call, "version", minimum=1) or 0


def _optional_version(call: Call, name: str, *, minimum: int) -> int | None:
    if call.query(name) is None:
        return None
    return fields.integer(call, name, default=0, minimum=minimum, maximum=MAX_VERSION)


def _path_version(call: Call) -> int:
    text = call.path["version"]
    if not text.isascii() or not text.isdecimal() or len(text) > 16 or not int(text):
        raise VersionNotFound("The project has no such version; versions are whole numbers from 1 on.")
    return int(text)


def _saved(project: Project, version: ProjectVersion, message: str = "") -> Saved:
    return {
        "success": True,
        "message": message or "Project saved successfully",
        "project": {
            "name": project.name,
            "slug": project.slug,
            "user_id": project.owner_id,
            "files_count": version.file_count,
            "version": version.version,
        },
    }


def _show(project: Project, preview: str) -> ListedProject:
    """A project as JSON in lists."""
    created = project.create_time
    return {
        "name": project.name,
        "slug": project.slug,
        "created_date": created.seconds + created.nanos / 1e9,
        "created_date_formatted": created.ToDatetime().strftime("%Y-%m-%d %H:%M"),
        "preview_url": preview,
        "editor_url": f"/project/{project.slug}",
        "has_frontend": project.has_frontend,
        "has_backend": project.has_backend,
        "tech_stack": list(project.tech_stack),
        "file_count": project.file_count,
        "version": project.version,
        "updated_at": rfc3339(project.update_time),
    }


def _show_file(file: ProjectFile) -> NamedTreeFile:
    return {
        "path": file.path,
        "size": file.size_bytes,
        "content_type": file.content_type,
        "sha256": file.sha256.hex(),
        "executable": file.executable,
        "updated_at": rfc3339(file.create_time),
    }


def _show_version(version: ProjectVersion) -> Version:
    return {
        "version": version.version,
        "created_at": rfc3339(version.create_time),
        "files_count": version.file_count,
        "total_bytes": version.size_bytes,
        "added": version.added,
        "changed": version.changed,
        "removed": version.removed,
        "rolled_back_to": version.rolled_back_to or None,
        "name": version.label.version_name or None,
        "message": version.label.message or None,
        "tags": list(version.label.tags),
    }
