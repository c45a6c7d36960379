"""The answers that guests of a drop get, and the names of their files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from storage_service.sharing.drops import Drops, _own_name
from storage_service.sharing.guests import Guests
from storage_service.uploads.upload import Uploader
from strongroom.errors import (
    DropFull,
    FileCountExceeded,
    InvalidField,
    MalformedRequest,
    PathInvalid,
    QuotaExceeded,
    ShareLocked,
    StrongroomError,
)
from strongroom.metadata.v1.share_pb2 import Drop, Share, ShareScope
from strongroom.storage.v1.guest_pb2 import DropFileRequest


class Door:
    """Admits every guest to ``share``."""

    def __init__(self, share: Share) -> None:
        self.share = share

    async def enter(self, token: str, session: str) -> Share:
        assert (token, session) == ("t", "s")
        return self.share


class Refusing:
    """An uploader that raises ``error``."""

    def __init__(self, error: StrongroomError) -> None:
        self.error = error

    async def upload(self, source: Any) -> Any:
        raise self.error


async def sent(*messages: DropFileRequest) -> AsyncIterator[DropFileRequest]:
    for message in messages:
        yield message


def drops(share: Share, error: StrongroomError | None = None) -> Drops:
    refusing = Refusing(error or MalformedRequest("not asked"))
    return Drops(cast("Guests", Door(share)), cast("Uploader", refusing))


def a_drop(**more: Any) -> Share:
    rules = Drop(path="in/secret/folder", max_files=5, max_bytes=100, max_file_bytes=50)
    return Share(id="i", scope=ShareScope(drop=rules), **more)


FIRST = DropFileRequest(token="t", session="s", filename="a.txt", data=b"x", finish_write=True)
USED = {"limit": "1000", "used": "999"}


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (QuotaExceeded("1000 bytes are yours, 999 are used", metadata=USED), "bytes"),
        (FileCountExceeded("1000 files are yours, 999 are used", metadata=USED), "files"),
    ],
)
async def test_guests_hear_nothing_of_the_owner_s_quota(error: StrongroomError, rule: str) -> None:
    with pytest.raises(DropFull) as refused:
        await drops(a_drop(), error).drop(sent(FIRST))
    assert refused.value.metadata == {"rule": rule}
    assert "99" not in refused.value.message
    assert refused.value.__suppress_context__


async def test_guests_hear_nothing_of_the_owner_s_paths() -> None:
    error = PathInvalid("in/secret/folder/… has a bad name", metadata={"path": "in/secret/folder/x"})
    with pytest.raises(InvalidField) as refused:
        await drops(a_drop(), error).drop(sent(FIRST))
    assert "secret" not in refused.value.message + str(refused.value.metadata)


@pytest.mark.parametrize("counts", [{"dropped_files": 5}, {"dropped_bytes": 100}])
async def test_a_full_one_takes_no_byte(counts: dict[str, int]) -> None:
    with pytest.raises(DropFull):
        await drops(a_drop(**counts)).drop(sent(FIRST))


async def test_the_first_message_names_the_share() -> None:
    for messages in ((), (DropFileRequest(data=b"x"),)):
        with pytest.raises(MalformedRequest):
            await drops(a_drop()).drop(sent(*messages))
    reading = Share(scope=ShareScope(key_prefix="a"))
    with pytest.raises(ShareLocked):
        await drops(reading).drop(sent(FIRST))


@pytest.mark.parametrize(
    "name", ["a.txt", "", "...", "../../up", "a/b\\c.txt", "x" * 300 + ".jpeg", "\u202egpj.exe", "日本.png"]
)
def test_a_name_of_its_own(name: str) -> None:
    one, other = _own_name(name), _own_name(name)
    assert one != other
    assert "/" not in one
    assert "\\" not in one
    assert one.strip(".")
    assert len(one.encode()) < 450
    assert one.endswith(".txt") == name.endswith(".txt")
