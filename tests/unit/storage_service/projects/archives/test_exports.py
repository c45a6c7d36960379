"""Exports: damaged files are named in the manifest and don't end it; versions are listed."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from storage_service.attempts.acts import HeldActs
from storage_service.attempts.budget import ByteBudget
from storage_service.metadata.belongings import Belongings as Lists
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.projects.archives.exports import Exports
from storage_service.projects.archives.manifest import ManifestRoom
from storage_service.projects.archives.sources import ArchiveSource
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.committed import CommittedReader
from strongroom.errors import ProjectNotFound, VersionNotFound
from strongroom.metadata.v1.file_pb2 import DATA_LOSS_CORRUPT, FILE_FAMILY_FILE, File, MediaInfo
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READY, EventType
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile, ProjectVersion
from strongroom.metadata.v1.retention_pb2 import Hold, Retention
from strongroom.metadata.v1.share_pb2 import SHARE_STATE_REVOKED, Share, ShareScope
from strongroom.metadata.v1.webhook_pb2 import WEBHOOK_STATE_PAUSED, EventFilter, Webhook
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports

ADA = Principal("ada")


class Belongings:
    """Replaces FileReader and ProjectReader with ada's belongings."""

    def __init__(self) -> None:
        self.store = MemoryObjectStore()
        self.files: list[File] = []
        self.contents: dict[str, list[ProjectFile]] = {}
        self.kept: tuple[int, ...] = (1, 2)
        """Existing versions of each project; the newest one is listed in any case."""
        self.newest = 1
        self.of_version: dict[int, list[ProjectFile]] = {}
        self.acts: list[tuple[str, str]] = []
        self.shared: list[Share] = []
        self.hooks: list[Webhook] = []

    @asynccontextmanager
    async def held(self, act: str, about: str) -> AsyncIterator[Counter[str]]:
        self.acts.append((act, about))
        counts: Counter[str] = Counter()
        yield counts
        assert counts["bytes"]

    async def put(self, key: str, body: bytes, **more: Any) -> dict[str, Any]:
        attrs = ObjectAttributes(content_type="text/plain")
        crc32c = crc32c_of([body])
        await self.store.put(key, [body], size=len(body), crc32c=crc32c, attrs=attrs)
        info = await self.store.head(ObjectRef(key))
        return {"key": key, "etag": info.etag, "size_bytes": len(body), "crc32c": crc32c} | more

    async def file(self, name: str, **more: Any) -> None:
        fields = await self.put(f"uploads/ada/{name}", name.encode(), **more)
        self.files.append(File(id=name, filename=name, family=FILE_FAMILY_FILE, **fields))

    async def content(self, slug: str, path: str, **more: Any) -> None:
        fields = await self.put(f"projects/ada/{slug}/{path}", path.encode(), **more)
        self.contents.setdefault(slug, []).append(ProjectFile(path=path, **fields))

    async def files_below(self, *_: str, show_deleted: bool) -> AsyncIterator[list[File]]:
        assert show_deleted
        yield self.files

    async def shares(self, _user_id: str) -> AsyncIterator[Share]:
        for share in self.shared:
            yield share

    async def webhooks(self, _user_id: str) -> AsyncIterator[Webhook]:
        for webhook in self.hooks:
            yield webhook

    async def projects(self, _user_id: str) -> AsyncIterator[Project]:
        for slug in self.contents:
            yield Project(id=slug, slug=slug, version=self.newest)

    async def versions(self, slug: str, _user_id: str) -> AsyncIterator[ProjectVersion]:
        if not self.contents[slug]:
            raise ProjectNotFound("deleted meanwhile")
        for version in sorted(self.kept, reverse=True):
            yield ProjectVersion(version=version, file_count=version, rolled_back_to=version - 1)

    async def project_files(self, slug: str, version: int, _: str) -> AsyncIterator[Any]:
        if not self.contents[slug]:
            raise ProjectNotFound("deleted meanwhile")
        if version not in self.kept:
            raise VersionNotFound("gone by a rule")
        yield version, self.of_version.get(version, self.contents[slug])


async def exported(
    have: Belongings, caller: Principal = ADA, user_id: str = "", *, removed: bool = False
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the contents of the ZIP and its manifest."""
    archived = ArchivedObjects(have.store)
    source = ArchiveSource(
        CommittedReader(have.store, Reports(removed=removed), archived), ByteBudget(1 << 20)
    )
    files, projects, acts = cast("FileReader", have), cast("ProjectReader", have), cast("HeldActs", have)
    room = ManifestRoom(1 << 20)
    exports = Exports(source, files, projects, cast("Lists", have), acts, room=room)
    with bind(RequestContext("r", principal=caller)):
        out = b"".join([piece async for piece in exports.chunks(user_id)])
    await archived.aclose()
    assert room.used == 0
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        bodies = {name: archive.read(name) for name in archive.namelist()}
    return bodies, json.loads(bodies.pop("manifest.json"))


async def test_what_is_known_to_be_damaged_is_told_of_and_ends_nothing() -> None:
    have = Belongings()
    for name in ("a", "b", "c"):
        damaged = {"data_loss": DATA_LOSS_CORRUPT} if name == "b" else {}
        await have.file(name, **damaged)
        await have.content("site", name, **damaged)
    bodies, manifest = await exported(have)
    assert bodies == {
        **{f"files/file/{name}/{name}": name.encode() for name in ("a", "c")},
        **{f"projects/site/1/{name}": name.encode() for name in ("a", "c")},
    }
    assert [one["name"] for one in manifest["lost"]] == ["files/file/b/b", "projects/site/1/b"]
    for lost in manifest["lost"]:
        assert (lost["size_bytes"], lost["kept_bytes"]) == (1, None)
        assert ("damaged" in lost["reason"], lost["archived"]) == (True, False)
    assert [one["name"] for one in manifest["files"]] == [f"files/file/{name}/{name}" for name in "abc"]
    assert len(manifest["project_contents"]) == 3


async def test_what_is_archived_is_told_of_and_all_of_it_is_asked_back() -> None:
    have = Belongings()
    for name in ("a", "b", "c", "d"):
        await have.file(name)
    have.store.archived |= {"uploads/ada/a", "uploads/ada/c"}
    bodies, manifest = await exported(have)
    assert bodies == {f"files/file/{name}/{name}": name.encode() for name in ("b", "d")}
    assert [one["name"] for one in manifest["lost"]] == ["files/file/a/a", "files/file/c/c"]
    assert {one["kept_bytes"] for one in manifest["lost"]} == {None}
    assert all("archive" in one["reason"] and one["archived"] for one in manifest["lost"]), manifest["lost"]
    assert have.store.asked_back == ["uploads/ada/a", "uploads/ada/c"]


async def test_what_is_deleted_meanwhile_is_told_of_and_ends_nothing() -> None:
    have = Belongings()
    for name in ("a", "b", "c"):
        await have.file(name)
    gone = have.files[1]
    await have.store.delete(ObjectRef(gone.key, gone.version_id or None))
    bodies, manifest = await exported(have, removed=True)
    assert bodies == {f"files/file/{name}/{name}": name.encode() for name in ("a", "c")}
    (lost,) = manifest["lost"]
    assert (lost["name"], "deleted" in lost["reason"]) == ("files/file/b/b", True)


async def test_damage_alone_is_still_an_export() -> None:
    have = Belongings()
    await have.file("only", data_loss=DATA_LOSS_CORRUPT)
    bodies, manifest = await exported(have)
    assert (bodies, len(manifest["lost"]), len(manifest["files"])) == ({}, 1, 1)


async def test_versions_are_listed_with_what_they_rolled_back_to() -> None:
    have = Belongings()
    await have.content("site", "a")
    have.contents["gone"] = []
    _, manifest = await exported(have)
    told = [(one["slug"], one["version"], one["rolled_back_to"]) for one in manifest["project_versions"]]
    assert told == [("site", 2, 1), ("site", 1, None)]
    assert [(one["slug"], one["reason"]) for one in manifest["lost"]] == [
        ("gone", "deleted during the export")
    ]


async def test_what_else_a_person_has_is_listed_without_its_secrets() -> None:
    have = Belongings()
    then, moment = Timestamp(seconds=1_800_000_000), "2027-01-15T08:00:00Z"
    kept = Retention(keep_until_time=then, hold=Hold(reason="case 17", by_admin=True, place_time=then))
    await have.file("a", retention=kept, media=MediaInfo(width=640, height=480))
    scope = ShareScope(key_prefix="uploads/")
    share_of = Share(title="For you", scope=scope, uses=3, state=SHARE_STATE_REVOKED, revoke_time=then)
    have.shared.append(share_of)
    later = cast("EventType.ValueType", 9999)  # from a newer release, or a damaged row
    chosen = EventFilter(types=[EVENT_TYPE_FILE_READY, later], families=["file"])
    have.hooks.append(Webhook(url="https://example.com/in", filter=chosen, state=WEBHOOK_STATE_PAUSED))
    _, manifest = await exported(have)
    (file,), (share,), (webhook,) = manifest["files"], manifest["shares"], manifest["webhooks"]
    hold = {"reason": "case 17", "by_admin": True, "place_time": moment}
    assert file["retention"] == {"keep_until_time": moment, "hold": hold}
    assert file["media"] == {"width": 640, "height": 480}
    assert (share["opens"], share["state"]) == ({"key_prefix": "uploads/"}, "revoked")
    assert (share["title"], share["uses"], share["revoke_time"]) == ("For you", 3, moment)
    assert "expire_time" not in share
    assert (webhook["url"], webhook["state"]) == ("https://example.com/in", "paused")
    assert (webhook["types"], webhook["families"]) == (["file_ready", "unknown_9999"], ["file"])
    assert not any("secret" in name or "token" in name for name in {**share, **webhook})


async def test_only_of_somebody_else_it_is_an_act() -> None:
    have = Belongings()
    await exported(have)
    await exported(have, ADA, "ada")
    assert have.acts == []
    _, manifest = await exported(have, Principal("root", is_admin=True), "ada")
    assert (have.acts, manifest["owner_id"]) == ([("export_user", "ada")], "ada")


async def test_versions_that_are_gone_by_a_rule_end_nothing() -> None:
    """Each version is compared with the previous existing one."""
    have = Belongings()
    for path in ("a", "b", "c"):
        await have.content("site", path)
    for file in have.contents["site"]:
        file.version_id = (await have.store.head(ObjectRef(file.key))).version_id or ""
    a, b, c = have.contents["site"]
    have.kept, have.newest = (3, 7, 8), 8
    have.of_version = {3: [a, b], 7: [b, c], 8: [b, c]}
    bodies, manifest = await exported(have)
    assert set(bodies) == {"projects/site/3/a", "projects/site/3/b", "projects/site/7/c"}
    assert [(one["version"], one.get("removed")) for one in manifest["project_contents"]] == [
        (3, None), (3, None), (7, "a"), (7, None),
    ]  # fmt: skip
    assert [one["version"] for one in manifest["project_versions"]] == [8, 7, 3]
    assert manifest["lost"] == []


async def test_a_newest_version_that_is_lost_is_told_of() -> None:
    have = Belongings()
    await have.file("kept")
    await have.content("site", "a")
    have.kept, have.newest = (1,), 2
    bodies, manifest = await exported(have)
    assert set(bodies) == {"files/file/kept/kept", "projects/site/1/a"}
    assert manifest["lost"] == [{"slug": "site", "version": 2, "reason": "the version is not there"}]
