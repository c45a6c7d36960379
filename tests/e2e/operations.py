"""For each operation of the gateway: its call on an owner's belongings, and the answer to a stranger."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from tests.e2e import samples
from tests.e2e.belongings import TUS, Belongings, direct, project, upload

Stranger = Literal["missing", "nothing", "own", "denied", "public"]
"""What another user gets for the same call with their own token.

``missing``: 404. ``nothing``: a success that reveals nothing. ``own``: a resource of their own. ``denied``:
403, for admins only. ``public``: no token is needed.
"""

NO_WEBHOOK: Final = "/api/admin/webhooks/00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Way:
    """One operation. ``path``: filled in with the owner's belongings; ``more``: arguments for httpx's
    ``request``.
    """

    stranger: Stranger
    path: Callable[[Belongings], str]
    more: Callable[[Belongings], Mapping[str, Any]] = lambda _: {}
    status: int = 200
    stream: bool = False


def _at(path: str) -> Callable[[Belongings], str]:
    return lambda _: path


def _key(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/v1/s3/file/{owner.quoted_key}{suffix}"


def _generation(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/generations/{owner.generation['id']}{suffix}"


def _media(owner: Belongings) -> str:
    return f"/api/v1/events/{owner.event_id}/media"


def _medium(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}{suffix}"


def _picture(owner: Belongings) -> str:
    assert owner.picture
    return "/api/v1/users/me/profile-picture"


def _project(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/projects/{owner.project}{suffix}"


def _preview(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/sandbox-preview/{owner.project}{suffix}"


def _library(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/v1/files/{owner.generation['id']}{suffix}"


def _folder(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/v1/folders/{owner.file['key'].rpartition('/')[0]}{suffix}"


def _in_trash(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/v1/trash/{owner.deleted}{suffix}"


def _save(_: Belongings) -> Mapping[str, Any]:
    """A separate slug: a stranger's save creates the stranger's own project."""
    return {"json": project(f"s-{uuid.uuid4().hex}")}


def _archive(_: Belongings) -> Mapping[str, Any]:
    return {"content": samples.zip_of({"a.txt": b"a"}), "headers": {"content-type": "application/zip"}}


def _direct(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/v1/uploads/{owner.direct}{suffix}"


def _webhook(suffix: str = "") -> Callable[[Belongings], str]:
    return lambda owner: f"/api/webhooks/{owner.webhook}{suffix}"


def _share(owner: Belongings) -> str:
    return f"/api/v1/shares/{owner.share['id']}"


def _tus(owner: Belongings) -> str:
    return f"/files/{owner.tus}"


def _speaking_tus(**headers: str) -> Callable[[Belongings], Mapping[str, Any]]:
    return lambda _: {"headers": TUS | {name.replace("_", "-"): value for name, value in headers.items()}}


def _append(_: Belongings) -> Mapping[str, Any]:
    kind = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}
    return {"headers": TUS | kind, "content": b"abc"}


def _form(**fields: str) -> Callable[[Belongings], Mapping[str, Any]]:
    return lambda _: {"files": upload(), "data": fields}


def _kept(_: Belongings) -> Mapping[str, Any]:
    return {"json": {"keep_until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}}


UNFINISHED: Final = 400
"""The answer when completing an upload whose bytes were not sent."""
IMPORT: Final = {"url": "http://127.0.0.1:1/", "type": "text-to-image"}
WAYS: Final[Mapping[str, Way]] = {
    "POST /api/v1/s3/upload": Way("own", _at("/api/v1/s3/upload"), _form(folder="uploads"), 201),
    "GET /api/v1/s3/files": Way("nothing", _at("/api/v1/s3/files")),
    "GET /api/v1/s3/file/{key:path}/url": Way("missing", _key("/url")),
    "GET /api/v1/s3/file/{key:path}/metadata": Way("missing", _key("/metadata")),
    "GET /api/v1/s3/file/{key:path}/exists": Way("nothing", _key("/exists")),
    "GET /api/v1/s3/file/{key:path}": Way("missing", _key()),
    "DELETE /api/v1/s3/file/{key:path}": Way("missing", _key()),
    "POST /api/generations": Way("own", _at("/api/generations"), lambda _: {"json": IMPORT}, 422),
    "POST /api/generations/upload": Way(
        "own", _at("/api/generations/upload"), _form(type="text-to-image"), 201
    ),
    "POST /api/generations/batch": Way(
        "own", _at("/api/generations/batch"), lambda _: {"json": {"items": [IMPORT]}}
    ),
    "GET /api/generations": Way("nothing", _at("/api/generations")),
    "GET /api/generations/stats": Way("nothing", _at("/api/generations/stats")),
    "GET /api/generations/{id}": Way("missing", _generation()),
    "GET /api/generations/{id}/signed-url": Way("missing", _generation("/signed-url")),
    "GET /api/generations/{id}/content": Way("missing", _generation("/content")),
    "DELETE /api/generations/{id}": Way("missing", _generation()),
    "POST /api/v1/events/{event_id}/media": Way("own", _media, _form(title="mine"), 201),
    "GET /api/v1/events/{event_id}/media": Way("nothing", _media),
    "GET /api/v1/events/{event_id}/media/{media_id}": Way("missing", _medium()),
    "PATCH /api/v1/events/{event_id}/media/{media_id}": Way(
        "missing", _medium(), lambda _: {"json": {"title": "edited", "tags": ["theirs"]}}
    ),
    "GET /api/v1/events/{event_id}/media/{media_id}/download": Way("missing", _medium("/download")),
    "GET /api/v1/events/{event_id}/media/{media_id}/stream": Way("missing", _medium("/stream")),
    "DELETE /api/v1/events/{event_id}/media/{media_id}": Way("missing", _medium(), status=204),
    "PUT /api/v1/users/me/profile-picture": Way("own", _picture, _form()),
    "GET /api/v1/users/me/profile-picture": Way("missing", _picture),
    "DELETE /api/v1/users/me/profile-picture": Way("missing", _picture, status=204),
    "POST /api/v1/temp": Way("own", _at("/api/v1/temp"), _form(ttl_seconds="60"), 201),
    "POST /api/projects/save": Way("own", _at("/api/projects/save"), _save),
    "POST /api/projects/{slug}/archive": Way("own", _at("/api/projects/from-a-zip/archive"), _archive),
    "GET /api/projects": Way("nothing", _at("/api/projects")),
    "GET /api/project-history": Way("nothing", _at("/api/project-history")),
    "GET /api/projects/{slug}": Way("missing", _project()),
    "GET /api/projects/{slug}/archive": Way("missing", _project("/archive")),
    "GET /api/projects/{slug}/files/{path:path}": Way("missing", _project("/files/index.html")),
    "GET /api/projects/{slug}/files": Way("missing", _project("/files")),
    "GET /api/projects/{slug}/versions": Way("missing", _project("/versions")),
    "PATCH /api/projects/{slug}": Way("missing", _project(), lambda _: {"json": {"removed": ["index.html"]}}),
    "GET /api/projects/{slug}/version-rule": Way("missing", _project("/version-rule")),
    "PUT /api/projects/{slug}/version-rule": Way(
        "missing", _project("/version-rule"), lambda _: {"json": {"keep_last": 3}}
    ),
    "DELETE /api/projects/{slug}/version-rule": Way("missing", _project("/version-rule")),
    "PATCH /api/projects/{slug}/versions/{version}": Way(
        "missing", _project("/versions/1"), lambda _: {"json": {"name": "Launch"}}
    ),
    "POST /api/projects/{slug}/rollback": Way(
        "missing", _project("/rollback"), lambda _: {"json": {"version": 1}}
    ),
    "DELETE /api/projects/{slug}": Way("missing", _project()),
    "GET /api/projects/{slug}/preview-url": Way("missing", _project("/preview-url")),
    "GET /api/preview/{token}/": Way("public", _at("/api/preview/none/")),
    "GET /api/preview/{token}/{path:path}": Way("public", _at("/api/preview/none/a.css")),
    "GET /l/{token}/{name}": Way("public", _at("/l/none/cat.png")),
    "GET /l/{token}": Way("public", _at("/l/none")),
    "POST /api/v1/links": Way(
        "missing", _at("/api/v1/links"), lambda owner: {"json": {"file_id": owner.generation["id"]}}
    ),
    "POST /api/v1/links/revoke": Way(
        "missing", _at("/api/v1/links/revoke"), lambda owner: {"json": {"file_id": owner.medium["id"]}}
    ),
    "POST /api/v1/shares": Way(
        "missing", _at("/api/v1/shares"), lambda owner: {"json": {"file_id": owner.generation["id"]}}, 201
    ),
    "GET /api/v1/shares": Way("nothing", _at("/api/v1/shares")),
    "GET /api/v1/shares/{id}": Way("missing", _share),
    "PATCH /api/v1/shares/{id}": Way("missing", _share, lambda _: {"json": {"title": "theirs"}}),
    "DELETE /api/v1/shares/{id}": Way("missing", _share),
    "POST /api/v1/links/batch": Way(
        "nothing",
        _at("/api/v1/links/batch"),
        lambda owner: {"json": {"keys": [owner.file["key"]]}},
    ),
    "GET /api/v1/files": Way("nothing", _at("/api/v1/files")),
    "GET /api/v1/folders/{folder:path}/archive": Way("missing", _folder("/archive")),
    "DELETE /api/v1/folders/{folder:path}": Way("missing", _folder()),
    "GET /api/v1/files/{file:path}": Way("missing", _library()),
    "PATCH /api/v1/files/{file:path}": Way(
        "missing", _library(), lambda _: {"json": {"filename": "stolen.png"}}
    ),
    "DELETE /api/v1/files/{file:path}": Way("missing", _library()),
    "POST /api/v1/files/{file:path}/copy": Way("missing", _library("/copy"), lambda _: {"json": {}}, 201),
    "POST /api/v1/files/{file:path}/move": Way("missing", _library("/move"), lambda _: {"json": {}}, 201),
    "POST /api/v1/files/batch-delete": Way(
        "nothing",
        _at("/api/v1/files/batch-delete"),
        lambda owner: {"json": {"files": [owner.medium["id"], owner.file["key"]]}},
    ),
    "GET /api/v1/trash": Way("nothing", _at("/api/v1/trash")),
    "DELETE /api/v1/trash": Way("nothing", _at("/api/v1/trash")),
    "POST /api/v1/trash/{id}/restore": Way("missing", _in_trash("/restore")),
    "DELETE /api/v1/trash/{id}": Way("missing", _in_trash()),
    "GET /api/v1/retention": Way("nothing", _at("/api/v1/retention")),
    "PATCH /api/v1/files/{file:path}/retention": Way("missing", _library("/retention"), _kept),
    "PUT /api/v1/files/{file:path}/hold": Way("missing", _library("/hold"), lambda _: {"json": {}}),
    "DELETE /api/v1/files/{file:path}/hold": Way("missing", _library("/hold")),
    "PATCH /api/projects/{slug}/retention": Way("missing", _project("/retention"), _kept),
    "PUT /api/projects/{slug}/hold": Way("missing", _project("/hold"), lambda _: {"json": {}}),
    "DELETE /api/projects/{slug}/hold": Way("missing", _project("/hold")),
    "GET /api/v1/usage/costs": Way("nothing", _at("/api/v1/usage/costs")),
    "GET /api/v1/usage": Way("nothing", _at("/api/v1/usage")),
    "GET /s/{token}": Way("public", _at("/s/none")),
    "POST /s/{token}": Way("public", _at("/s/none")),
    "GET /s/{token}/file/{item:path}": Way("public", _at("/s/none/file/a.png")),
    "GET /s/{token}/archive": Way("public", _at("/s/none/archive")),
    "POST /s/{token}/files": Way("public", _at("/s/none/files")),
    "GET /api/sandbox-preview/{slug}": Way("missing", _preview()),
    "GET /api/sandbox-preview/{slug}/": Way("missing", _preview("/")),
    "GET /api/sandbox-preview/{slug}/{path:path}": Way("missing", _preview("/index.html")),
    "POST /api/v1/uploads": Way("own", _at("/api/v1/uploads"), lambda _: {"json": direct()}, 201),
    "POST /api/v1/uploads/{id}/parts": Way("missing", _direct("/parts"), lambda _: {"json": {}}),
    "POST /api/v1/uploads/{id}/complete": Way(
        "missing", _direct("/complete"), lambda _: {"json": {"parts": []}}, UNFINISHED
    ),
    "GET /api/v1/uploads/{id}": Way("missing", _direct()),
    "DELETE /api/v1/uploads/{id}": Way("missing", _direct(), status=204),
    "POST /files": Way("own", _at("/files"), _speaking_tus(upload_length="3"), 201),
    "HEAD /files/{id}": Way("missing", _tus, _speaking_tus()),
    "PATCH /files/{id}": Way("missing", _tus, _append, 204),
    "DELETE /files/{id}": Way("missing", _tus, _speaking_tus(), 204),
    "OPTIONS /files": Way("public", _at("/files")),
    "OPTIONS /files/{id}": Way("public", _at("/files/x")),
    "POST /api/webhooks": Way(
        "own", _at("/api/webhooks"), lambda _: {"json": {"url": "https://hooks.example.com/in"}}, 201
    ),
    "GET /api/webhooks": Way("nothing", _at("/api/webhooks")),
    "GET /api/webhooks/{id}": Way("missing", _webhook()),
    "PATCH /api/webhooks/{id}": Way("missing", _webhook(), lambda _: {"json": {"paused": True}}),
    "DELETE /api/webhooks/{id}": Way("missing", _webhook(), status=204),
    "POST /api/webhooks/{id}/secret": Way("missing", _webhook("/secret"), lambda _: {"json": {}}, 201),
    "POST /api/webhooks/{id}/test": Way("missing", _webhook("/test"), status=202),
    "GET /api/webhooks/{id}/deliveries": Way("missing", _webhook("/deliveries")),
    "POST /api/webhooks/{id}/replay": Way(
        "missing", _webhook("/replay"), lambda _: {"json": {"dead": True}}, 202
    ),
    "POST /api/admin/webhooks": Way(
        "denied", _at("/api/admin/webhooks"), lambda _: {"json": {"url": "https://hooks.example.com/in"}}, 201
    ),
    "GET /api/admin/webhooks": Way("denied", _at("/api/admin/webhooks")),
    "GET /api/admin/webhooks/{id}": Way("denied", _at(NO_WEBHOOK), status=404),
    "PATCH /api/admin/webhooks/{id}": Way(
        "denied", _at(NO_WEBHOOK), lambda _: {"json": {"paused": True}}, 404
    ),
    "DELETE /api/admin/webhooks/{id}": Way("denied", _at(NO_WEBHOOK), status=404),
    "POST /api/admin/webhooks/{id}/secret": Way(
        "denied", _at(NO_WEBHOOK + "/secret"), lambda _: {"json": {}}, 404
    ),
    "POST /api/admin/webhooks/{id}/test": Way("denied", _at(NO_WEBHOOK + "/test"), status=404),
    "GET /api/admin/webhooks/{id}/deliveries": Way("denied", _at(NO_WEBHOOK + "/deliveries"), status=404),
    "POST /api/admin/webhooks/{id}/replay": Way(
        "denied", _at(NO_WEBHOOK + "/replay"), lambda _: {"json": {"dead": True}}, 404
    ),
    "GET /api/admin/events": Way("denied", _at("/api/admin/events"), stream=True),
    "GET /api/notifications": Way("nothing", _at("/api/notifications"), stream=True),
    "POST /api/notifications/ticket": Way("own", _at("/api/notifications/ticket"), status=201),
    "GET /api/notifications/ws": Way("public", _at("/api/notifications/ws")),
    "GET /api/admin/costs": Way("denied", _at("/api/admin/costs")),
    "GET /api/admin/infected": Way("denied", _at("/api/admin/infected")),
    "GET /api/admin/usage": Way("denied", _at("/api/admin/usage")),
    "PUT /api/admin/quotas/{user}": Way(
        "denied",
        lambda owner: f"/api/admin/quotas/{owner.name}",
        lambda _: {"json": {"limit_bytes": None, "limit_files": None}},
    ),
    "GET /api/admin/cleaner": Way("denied", _at("/api/admin/cleaner")),
    "GET /api/admin/acts": Way("denied", _at("/api/admin/acts")),
    "GET /api/admin/verification": Way("denied", _at("/api/admin/verification")),
    "POST /api/admin/verification": Way("denied", _at("/api/admin/verification"), lambda _: {"json": {}}),
    "GET /api/admin/verification/findings": Way("denied", _at("/api/admin/verification/findings")),
    "GET /livez": Way("public", _at("/livez")),
    "GET /healthz": Way("public", _at("/healthz")),
    "GET /readyz": Way("public", _at("/readyz")),
    "GET /metrics": Way("public", _at("/metrics")),
    "GET /openapi.json": Way("public", _at("/openapi.json")),
    "GET /docs": Way("public", _at("/docs")),
    "GET /": Way("public", _at("/")),
    "GET /console": Way("public", _at("/console")),
    "GET /console/": Way("public", _at("/console/")),
    "GET /console/{version}/{name:path}": Way("public", _at("/console/0/main.js")),
    "GET /docs/{name}": Way("public", _at("/docs/swagger-ui.css")),
}
