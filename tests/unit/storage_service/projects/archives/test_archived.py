"""A ZIP that would break off at an archived file does not begin, and a restore of all archived files is
requested at once.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from servicekit.archive_classes import Transition
from storage_service.attempts.budget import ByteBudget
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes, PutResult
from storage_service.projects.archives.downloads import ArchiveDownloader
from storage_service.projects.archives.sources import ArchiveSource
from storage_service.reading.archive_looks import ArchiveLooks
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.committed import CommittedReader
from strongroom.errors import ObjectArchived
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports

NAMES = [f"{number:02}.txt" for number in range(30)]
RULES = (Transition("paths/", 30, "GLACIER"), Transition("projects/", 30, "DEEP_ARCHIVE"))
KINDS = ["files", "project"]


class CountingStore(MemoryObjectStore):
    """Counts HEAD requests."""

    heads = 0

    async def head(self, ref: Any) -> Any:
        self.heads += 1
        return await super().head(ref)


class Bench:
    """Thirty small files below a prefix, or in a project, that are ``days`` old."""

    def __init__(self, days: int, rules: Sequence[Transition]) -> None:
        self.store = CountingStore()
        self.stored = datetime.now(UTC) - timedelta(days=days)
        self.put: dict[str, PutResult] = {}
        self.archived = ArchivedObjects(self.store)
        source = ArchiveSource(CommittedReader(self.store, Reports(), self.archived), ByteBudget(1 << 20))
        files, projects = cast("FileReader", self), cast("ProjectReader", self)
        self.downloads = ArchiveDownloader(
            source, files, projects, ArchiveLooks(self.store, self.archived, rules)
        )

    async def files_below(self, prefix: str, _: str) -> AsyncIterator[list[File]]:
        yield [await self._stored(File(), prefix + name) for name in NAMES]

    async def project_files(self, slug: str, *_: object) -> AsyncIterator[tuple[None, list[ProjectFile]]]:
        where = f"projects/ada/{slug}/"
        yield None, [await self._stored(ProjectFile(path=name), where + name) for name in NAMES]

    async def _stored(self, file: Any, key: str) -> Any:
        body, attrs = key.encode(), ObjectAttributes()
        if key not in self.put:
            crc32c = crc32c_of([body])
            self.put[key] = await self.store.put(key, [body], size=len(body), crc32c=crc32c, attrs=attrs)
        file.key, file.etag, file.version_id = key, self.put[key].etag, self.put[key].version_id
        file.size_bytes, file.crc32c = len(body), crc32c_of([body])
        file.create_time.FromDatetime(self.stored)
        return file

    async def names(self, kind: str) -> list[str]:
        """Return the names in the ZIP."""
        request = DownloadArchiveRequest(key_prefix="paths/ada/")
        if kind == "project":
            request = DownloadArchiveRequest()
            request.project.slug = "site"
        self.sent = b""
        async for piece in self.downloads.chunks(request):
            self.sent += piece
        with zipfile.ZipFile(io.BytesIO(self.sent)) as archive:
            return archive.namelist()

    def archive(self, *names: str) -> None:
        """Archive these files from now on."""
        places = ("paths/ada/", "projects/ada/site/")
        self.store.archived = {place + name for name in names for place in places}


@pytest.mark.parametrize("kind", KINDS)
async def test_it_does_not_begin(kind: str) -> None:
    bench = Bench(31, RULES)
    bench.archive(*NAMES[12:])
    for _ in range(2):
        with pytest.raises(ObjectArchived, match=r"^18 of .*12\.txt, .*21\.txt and 8 more") as refused:
            await bench.names(kind)
        assert (bench.sent, refused.value.retry_after) == (b"", 3600)
    await bench.archived.aclose()
    assert [key.rpartition("/")[2] for key in bench.store.asked_back] == NAMES[12:]
    bench.store.archived.clear()
    assert await bench.names(kind) == NAMES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("days", "rules"), [(29, RULES), (31, ()), (31, (Transition("paths/", 1, "STANDARD_IA"),))]
)
async def test_what_no_rule_archives_is_not_looked_at(
    kind: str, days: int, rules: Sequence[Transition]
) -> None:
    bench = Bench(days, rules)
    assert await bench.names(kind) == NAMES
    assert bench.store.heads == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_reader_has_met_is_looked_at(kind: str) -> None:
    """The store's own rule, unknown to this service, has archived the object."""
    bench = Bench(31, ())
    bench.archive(NAMES[20])
    with pytest.raises(ObjectArchived, match="The bytes are"):
        await bench.names(kind)
    with pytest.raises(ObjectArchived, match="1 of these files"):
        await bench.names(kind)
    assert bench.sent == b""
