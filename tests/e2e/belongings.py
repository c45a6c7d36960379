"""One thing of each kind that belongs to a user, created on first use."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

import httpx

from tests.e2e import samples
from tests.e2e.shapes import FACTS


class Belongings:
    """A user with a file, a generation, a medium and a picture; each is the gateway's answer."""

    def __init__(self, name: str, http: httpx.Client) -> None:
        self.name = name
        self.http = http
        self.event_id = str(uuid.uuid4())

    @cached_property
    def file(self) -> dict[str, Any]:
        """Family B."""
        return self._stored("/api/v1/s3/upload", data={"folder": "uploads"})

    @cached_property
    def generation(self) -> dict[str, Any]:
        """Family A."""
        body = self._stored("/api/generations/upload", data={"type": "text-to-image", "prompt": self.name})
        found: dict[str, Any] = body["generation"]
        return found

    @cached_property
    def medium(self) -> dict[str, Any]:
        """Family C."""
        return self._stored(f"/api/v1/events/{self.event_id}/media", data={"title": self.name, "tags": "x"})

    @cached_property
    def picture(self) -> dict[str, Any]:
        """The profile picture."""
        reply = self.http.put("/api/v1/users/me/profile-picture", files=upload())
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    @cached_property
    def deleted(self) -> str:
        """The id of a generation in the trash."""
        body = self._stored("/api/generations/upload", data={"type": "text-to-image"})
        made: str = body["generation"]["id"]
        reply = self.http.delete(f"/api/generations/{made}", params={"soft": "true"})
        assert reply.status_code == 200, reply.text
        return made

    @cached_property
    def project(self) -> str:
        """The slug of a project with a start page."""
        slug = f"p-{uuid.uuid4().hex}"
        reply = self.http.post("/api/projects/save", json=project(slug))
        assert reply.status_code == 200, reply.text
        return slug

    @cached_property
    def direct(self) -> str:
        """The id of an open direct upload of three bytes."""
        reply = self.http.post("/api/v1/uploads", json=direct())
        assert reply.status_code == 201, reply.text
        return str(reply.json()["upload_id"])

    @cached_property
    def tus(self) -> str:
        """The id of an open resumable upload of three bytes."""
        reply = self.http.post("/files", headers=TUS | {"upload-length": "3"})
        assert reply.status_code == 201, reply.text
        return reply.headers["location"].rpartition("/")[2]

    @cached_property
    def share(self) -> dict[str, Any]:
        """A share of the event's media, its URL included."""
        reply = self.http.post("/api/v1/shares", json={"event_id": self.event_id, "title": self.name})
        assert reply.status_code == 201, reply.text
        found: dict[str, Any] = reply.json()
        return found

    @cached_property
    def webhook(self) -> str:
        """The id of a webhook."""
        reply = self.http.post("/api/webhooks", json={"url": "https://hooks.example.com/in"})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    @property
    def quoted_key(self) -> str:
        """The file's key as one path segment."""
        return quote(self.file["key"], safe="")

    def secrets(self) -> set[str]:
        """Texts that no other user may ever see."""
        made = [self.file, self.generation, self.medium, self.picture]
        found = {self.share["id"], self.share["url"].rpartition("/")[2], self.project, self.direct, self.tus}
        found |= {self.deleted, self.webhook}
        found |= {item.get("key") or item["s3_key"] for item in made}
        return found | {item["id"] for item in made if "id" in item}

    def everything(self) -> dict[str, Any]:
        """Everything in its current state, without URLs, which are signed anew each time, and without days
        that have no files, whose list begins one day later after midnight.
        """
        paths = {
            "files": "/api/v1/s3/files",
            "generations": "/api/generations",
            "stats": "/api/generations/stats",
            "shares": "/api/v1/shares",
            "media": f"/api/v1/events/{self.event_id}/media",
            "trash": "/api/v1/trash",
            "usage": "/api/v1/usage",
            "project": f"/api/projects/{self.project}",
            "versions": f"/api/projects/{self.project}/versions",
            "file": f"/api/v1/s3/file/{self.quoted_key}/metadata",
        }
        found = {
            name: without_urls(self.http.get(path).raise_for_status().json()) for name, path in paths.items()
        }
        stats = found["stats"]["stats"]
        stats["by_day"] = [day for day in stats["by_day"] if day["count"]]
        found["bytes"] = self.http.get(f"/api/v1/s3/file/{self.quoted_key}").raise_for_status().content
        found["picture"] = self.http.get("/api/v1/users/me/profile-picture").raise_for_status().content
        return found

    def _stored(self, path: str, data: dict[str, str]) -> dict[str, Any]:
        reply = self.http.post(path, data=data, files=upload())
        assert reply.status_code == 201, reply.text
        found: dict[str, Any] = reply.json()
        return found


TUS: Final = {"tus-resumable": "1.0.0"}


def direct() -> dict[str, Any]:
    """The JSON of a direct upload."""
    return {"target": {"family": "files"}, "filename": "a.txt", "content_type": "text/plain", "size": 3}


def project(slug: str) -> dict[str, Any]:
    """The JSON of a project with one page."""
    return {"name": "Mine", "slug": slug, "files": [{"path": "index.html", "content": "<p>hello"}]}


def upload(body: bytes | None = None, name: str = "cat.png", kind: str = "image/png") -> dict[str, Any]:
    """Httpx's ``files`` for a form with one file."""
    return {"file": (name, samples.png() if body is None else body, kind)}


def without_urls(value: Any) -> Any:
    """JSON without members that contain signed URLs, or that are filled in a moment after the upload."""
    if isinstance(value, dict):
        passing = {"url", "s3_url", "file_url", *FACTS}
        return {name: without_urls(item) for name, item in value.items() if name not in passing}
    return [without_urls(item) for item in value] if isinstance(value, list) else value
