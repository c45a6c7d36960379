"""Creating and reading links: stable, rounded by family, invalid when they should be, without disclosing the
owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from storage_service.media.location import Mask
from storage_service.media.unlocated import Unlocated
from storage_service.metadata.files import FileName
from storage_service.reading.links import LinkReader, LinkSigner, LinkTokens
from storage_service.reading.signer import Signer
from strongroom.errors import FileNotFound, InvalidField, PreconditionFailed, RangeNotSatisfiable
from strongroom.metadata.v1.file_pb2 import (
    FILE_FAMILY_FILE,
    FILE_FAMILY_GENERATION,
    VISIBILITY_PUBLIC,
    File,
    FileFamily,
    LinkStamp,
)
from strongroom.storage.v1 import link_pb2 as pb
from tests.doubles.memory_store import MemoryObjectStore

NOW = 1_800_000_000.0
FILE = "7e57d004-2b97-4e7a-b45f-5387367791cd"
CONTENT = "0b0c0d0e-2b97-4e7a-b45f-5387367791cd"
SECONDS: dict[FileFamily.ValueType, int] = {FILE_FAMILY_FILE: 3600, FILE_FAMILY_GENERATION: 0}


def a_file(family: FileFamily.ValueType = FILE_FAMILY_FILE, **more: object) -> File:
    stamp = LinkStamp(content_id=CONTENT)
    file = File(id=FILE, owner_id="ada@example.org", family=family, key="uploads/ada/x.png", etag="e1")
    file.MergeFrom(File(filename="cat.png", content_type="image/png", size_bytes=4, link_stamp=stamp))
    for name, value in more.items():
        setattr(file, name, value)
    return file


NOTHING_TO_HIDE = Unlocated(None, cast("Any", None))


class Files:
    """Replaces FileReader and LinkedFiles."""

    def __init__(self, file: File) -> None:
        self.file = file

    async def get_many(self, file_ids: Sequence[str], _user_id: str) -> list[File]:
        return [self.file for file_id in file_ids if file_id == self.file.id]

    async def get(self, name: FileName, _user_id: str) -> File:
        if name.key != self.file.key:
            raise FileNotFound("no such file")
        return self.file

    async def linked_file(self, owner_id: str, file_id: str, stamp: LinkStamp) -> File:
        found = self.file.link_stamp
        same = stamp.content_id in ("", found.content_id)
        epochs = (stamp.file_epoch, stamp.owner_epoch) == (found.file_epoch, found.owner_epoch)
        if not (same and epochs and (owner_id, file_id) == (self.file.owner_id, self.file.id)):
            raise FileNotFound("no such file")
        return self.file


class Bench:
    """A signer and a reader of links to one file."""

    def __init__(self, file: File, base: str | None = None) -> None:
        self.files = Files(file)
        signer = Signer(MemoryObjectStore(), self.files, public_base_url=base)  # type: ignore[arg-type]
        tokens = LinkTokens("a secret of links, 0123456789")
        self.signer = LinkSigner(tokens, self.files, signer, NOTHING_TO_HIDE, SECONDS)  # type: ignore[arg-type]
        self.reader = LinkReader(tokens, self.files, None, signer, NOTHING_TO_HIDE, url_seconds=900)  # type: ignore[arg-type]

    async def link(self, **asked: object) -> pb.Link:
        request = pb.SignLinksRequest(file_ids=[FILE], **asked)  # type: ignore[arg-type]
        return (await self.signer.sign(request))[FILE]

    async def read(self, link: pb.Link, **asked: object) -> pb.DownloadLinkResponse:
        """Return the first message."""
        request = pb.DownloadLinkRequest(token=link.url.split("/")[2], metadata_only=True, **asked)  # type: ignore[arg-type]
        messages = [message async for message in self.reader.messages(request)]
        assert len(messages) == 1
        first = messages[0]
        assert isinstance(first, pb.DownloadLinkResponse)
        return first


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of day, which tests can change."""
    moment = [NOW]
    monkeypatch.setattr("time.time", lambda: moment[0])
    return moment


async def test_by_family_and_by_request(clock: list[float]) -> None:
    plain, generation = Bench(a_file()), Bench(a_file(FILE_FAMILY_GENERATION))
    assert not (await generation.link()).HasField("expire_time")
    first = await plain.link()
    assert 3600 < first.expire_time.seconds - NOW <= 4500
    assert not (await plain.link(expires_in_seconds=0)).HasField("expire_time")
    assert 60 < (await generation.link(expires_in_seconds=60)).expire_time.seconds - NOW <= 75
    clock[0] += 300
    assert await plain.link() == first


async def test_it_reads_until_its_end_and_not_after(clock: list[float]) -> None:
    bench, ever = Bench(a_file()), Bench(a_file(FILE_FAMILY_GENERATION))
    link, stays = await bench.link(), await ever.link()
    clock[0] = NOW + 3600
    assert (await bench.read(link)).file.etag == "e1"
    clock[0] = float(link.expire_time.seconds)
    with pytest.raises(FileNotFound, match="Ask for a new one"):
        await bench.read(link)
    clock[0] = NOW + 366 * 86_400
    assert (await ever.read(stays)).file.etag == "e1"


@pytest.mark.parametrize("field", ["file_epoch", "owner_epoch", "content_id"])
async def test_revoked_or_replaced(field: str) -> None:
    bench = Bench(a_file())
    link, newest = await bench.link(), await bench.link(scope=pb.LINK_SCOPE_NEWEST)
    stamp = bench.files.file.link_stamp
    setattr(stamp, field, FILE if field == "content_id" else 1)
    with pytest.raises(FileNotFound):
        await bench.read(link)
    if field == "content_id":
        assert (await bench.read(newest)).newest
    else:
        with pytest.raises(FileNotFound):
            await bench.read(newest)
    assert (await bench.read(await bench.link())).file.etag == "e1"


async def test_what_a_visitor_is_told() -> None:
    bench = Bench(a_file())
    link = await bench.link(attachment=True)
    first = await bench.read(link)
    assert first.attachment
    for secret in ("ada", FILE, CONTENT, "uploads/"):
        assert secret not in link.url
        assert secret not in str(first)


async def test_where_the_store_has_it() -> None:
    bench = Bench(a_file())
    link = await bench.link()
    first, again = await bench.read(link, sign_url=True), await bench.read(link, sign_url=True)
    assert first.url.startswith("memory:")
    assert first.url == again.url
    assert first.HasField("url_expire_time")


async def test_refusals() -> None:
    bench = Bench(a_file())
    link = await bench.link()
    with pytest.raises(PreconditionFailed):
        await bench.read(link, if_etag_match="other")
    with pytest.raises(RangeNotSatisfiable):
        await bench.read(link, read_offset=9)
    with pytest.raises(InvalidField):
        await bench.signer.sign(pb.SignLinksRequest())
    assert set(await bench.signer.sign(pb.SignLinksRequest(keys=["uploads/ada/x.png", "no"]))) == {
        "uploads/ada/x.png"
    }


async def test_public_files_keep_the_url_of_their_cdn() -> None:
    bench = Bench(a_file(visibility=VISIBILITY_PUBLIC), base="https://cdn.example")
    assert (await bench.link()).url == "https://cdn.example/uploads/ada/x.png"
    assert (await Bench(a_file(visibility=VISIBILITY_PUBLIC)).link()).url.startswith("/l/")


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("cat.png", "cat.png"),
        ("a b?#%&.png", "a%20b%3F%23%25%26.png"),
        ("ü😀.png", "%C3%BC%F0%9F%98%80.png"),
        ("..", "_"),
        ("", "file"),
        ("noextension", "noextension"),
        ("n" * 250 + ".png", "n" * 96 + ".png"),
        ("x/y\\z.png", "x_y_z.png"),
    ],
)
async def test_its_name(filename: str, shown: str) -> None:
    assert (await Bench(a_file(filename=filename)).link()).url.rpartition("/")[2] == shown


class Hiding:
    """Replaces Unlocated: masks one byte of every file."""

    async def masks(self, file: File) -> tuple[Mask, ...]:
        return (Mask(0, 1),)


async def test_what_says_where_it_was_taken_is_read_here_only() -> None:
    """A CDN or a signed URL of S3 would return the stored bytes, with the location."""
    bench = Bench(a_file(visibility=VISIBILITY_PUBLIC), base="https://cdn.example.com")
    assert (await bench.link()).url.startswith("https://cdn.example.com/")
    bench.signer._unlocated = bench.reader._unlocated = cast("Any", Hiding())
    link = await bench.link()
    assert link.url.startswith("/l/")
    assert (await bench.read(link, sign_url=True)).url == ""
    assert (await bench.read(link)).file.crc32c == 0
