"""Mistakes in arguments that no service could see, or would see as something else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from strongroom import errors
from strongroom.client import (
    AsyncClient,
    AtPath,
    Documents,
    DropBox,
    EventMedia,
    Label,
    RetentionWish,
    SharedFile,
    Temp,
    Wanted,
)
from strongroom.client.tokens import Tokens

ID: Final = "7e57d004-2b97-4e7a-b45f-5387367791cd"
NAIVE: Final = datetime(2030, 1, 1)  # noqa: DTZ001 - the mistake
Do = Callable[[Any], Awaitable[Any]]

#: One text where several belong: taken letter by letter, ``ignore="*.log"`` left out every file of a project.
LETTERS: Final[dict[str, Do]] = {
    "ignore": lambda client: client.projects.save(".", "site", ignore="*.log"),
    "removed": lambda client: client.projects.patch("site", {}, removed="ab"),
    "label": lambda client: client.projects.patch(
        "site",
        {},
        label=Label("v1", tags="ab"),  # type: ignore[arg-type]
    ),
    "version tags": lambda client: client.projects.label("site", 1, tags="good"),
    "tags": lambda client: client.upload(b"x", EventMedia(ID, tags="dance")),
    "put tags": lambda client: client.event_media.put(b"x", ID, tags="dance"),
    "media tags": lambda client: client.event_media.update(ID, ID, tags="dance"),
    "edited tags": lambda client: client.update(ID, tags="dance"),
    "remove_metadata": lambda client: client.update(ID, remove_metadata="team"),
    "file_ids": lambda client: client.get_many(ID),
    "delete_many": lambda client: client.delete_many(ID),
    "types": lambda client: client.webhooks.create("https://x.test/", types="file_ready"),
    "families": lambda client: client.webhooks.update(ID, families="path"),
    "content_types": lambda client: client.shares.create(DropBox(path="in", content_types="image/*")),
    "families of all": lambda client: anext(client.admin.watch(families="path")),
    "user_ids": lambda client: anext(client.admin.watch(user_ids="alice")),
}
#: Something of another type; with the word that the message has to hold.
TYPES: Final[dict[str, Do]] = {
    "target": lambda client: client.upload(b"x", "documents"),
    "class Documents": lambda client: client.upload(b"x", Documents),
    "path": lambda client: client.upload(b"x", AtPath(5)),  # type: ignore[arg-type]
    "ttl": lambda client: client.upload(b"x", Temp(60)),  # type: ignore[arg-type]
    "metadata['a']": lambda client: client.upload(b"x", metadata={"a": 1}),
    "mapping": lambda client: client.upload(b"x", metadata=["a"]),
    "Checksums": lambda client: client.upload(b"x", checksum="abc"),
    "timeout": lambda client: client.get(ID, timeout=timedelta(seconds=3)),
    "its id": lambda client: client.get(5),
    "timedelta": lambda client: client.link(ID, expires_in="1h"),
    "Wanted": lambda client: anext(client.search(5)),
    "ImportItem": lambda client: client.generations.import_batch(["https://x.test/"]),
    "SharedFile": lambda client: client.shares.create(ID),
    "datetime": lambda client: client.retention.keep(ID, "tomorrow"),
    "local paths": lambda client: client.projects.patch("site", ["a"]),
    "key": lambda client: client.files.upload_file(b"x", None),
}
VALUES: Final[dict[str, Do]] = {
    "'public'": lambda client: client.upload(b"x", visibility="open"),
    "'event-media'": lambda client: client.list_page(family="uploads"),
    "'newest'": lambda client: client.link(ID, scope="latest"),
    "only read": lambda client: client.sign_url(ID, method="PUT"),
    "'attachment'": lambda client: client.sign_url(ID, disposition="download"),
    "password": lambda client: client.shares.create(SharedFile(ID), password=""),
    "created_after": lambda client: client.search_page(Wanted(created_after=NAIVE)),
    "created_before": lambda client: client.search_page(Wanted(created_before=NAIVE)),
    "time zone": lambda client: client.retention.keep(ID, NAIVE),
    "keep": lambda client: client.upload(b"x", retention=RetentionWish(keep=NAIVE)),
    "delete_after": lambda client: client.upload(b"x", retention=RetentionWish(delete_after=NAIVE)),
}


def _away() -> AsyncClient:
    """A client whose services nobody may reach: a mistake has to be told before they are called."""
    return AsyncClient("127.0.0.1:1", "127.0.0.1:1", token="t", timeout=0.5)


@pytest.mark.parametrize("name", LETTERS)
async def test_one_text_is_not_taken_letter_by_letter(name: str) -> None:
    async with _away() as client:
        with pytest.raises(TypeError, match="several"):
            await LETTERS[name](client)


@pytest.mark.parametrize("said", TYPES)
async def test_a_wrong_type_is_named(said: str) -> None:
    async with _away() as client:
        with pytest.raises(TypeError) as told:
            await TYPES[said](client)
    assert said in str(told.value)


@pytest.mark.parametrize("said", VALUES)
async def test_a_wrong_value_is_named(said: str) -> None:
    async with _away() as client:
        with pytest.raises(ValueError) as told:  # noqa: PT011 - compared below
            await VALUES[said](client)
    assert said in str(told.value)


async def test_a_drop_has_one_place() -> None:
    async with _away() as client:
        with pytest.raises(errors.InvalidField, match="path and folder"):
            await client.shares.create(DropBox(path="in", folder="uploads"))


async def test_what_is_no_token_is_told_without_its_value() -> None:
    with pytest.raises(TypeError, match="bytes") as told:
        Tokens(b"secret")  # type: ignore[arg-type]
    assert "secret" not in str(told.value)
    with pytest.raises(errors.TokenMissing, match="NoneType"):
        await Tokens(lambda: None).current()  # type: ignore[arg-type]


async def test_what_does_not_answer_is_named() -> None:
    async with _away() as client:
        with pytest.raises(errors.ServiceUnavailable) as told:
            await client.get(UUID(ID))
    assert "127.0.0.1:1" in str(told.value.__notes__)
