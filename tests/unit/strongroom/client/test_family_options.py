"""What an upload or a deletion can be told, it can be told by the methods of the families, too."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from strongroom.client import AsyncClient
from strongroom.client.event_media import EventMediaFiles
from strongroom.client.generations import Generations, ImportItem
from strongroom.client.path_files import PathFiles

EVENT: Final = "7e57d004-2b97-4e7a-b45f-5387367791cd"
CLASS: Final = "GLACIER_IR"
DELETION: Final = {"soft": True, "if_generation_match": 7}
Call = Callable[[Any], Awaitable[Any]]


class Transfers:
    """Remembers the options of the general call that the family's method makes."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    async def upload(self, source: Any, target: Any, **options: Any) -> None:
        self.options = options

    async def delete(self, file: Any, **options: Any) -> None:
        self.options = options


class Media(EventMediaFiles):
    async def get(self, event_id: Any, file: Any) -> Any:
        return file


class Paths(PathFiles):
    async def _own_prefix(self) -> str:
        return "paths/ada/"


def families(client: Any) -> dict[str, Any]:
    return {
        "files": Paths(client),
        "generations": Generations(client, None, "ada"),  # type: ignore[arg-type]
        "event_media": Media(client, None, "ada"),  # type: ignore[arg-type]
    }


UPLOADS: Final[dict[str, Call]] = {
    "files": lambda of: of["files"].upload_file(b"x", "a.txt", storage_class=CLASS),
    "generations": lambda of: of["generations"].upload(b"x", "text-to-image", storage_class=CLASS),
    "media": lambda of: of["event_media"].put(b"x", EVENT, storage_class=CLASS),
    "picture": lambda of: of["event_media"].set_profile_picture(b"x", storage_class=CLASS),
}
DELETIONS: Final[dict[str, Call]] = {
    "files": lambda of: of["files"].delete_file("a.txt", **DELETION),
    "generations": lambda of: of["generations"].delete(EVENT, **DELETION),
    "media": lambda of: of["event_media"].delete(EVENT, EVENT, **DELETION),
}


@pytest.mark.parametrize("call", UPLOADS.values(), ids=UPLOADS)
async def test_storage_classes(call: Call) -> None:
    client = Transfers()
    await call(families(client))
    assert client.options["storage_class"] == CLASS


@pytest.mark.parametrize("call", DELETIONS.values(), ids=DELETIONS)
async def test_deletions(call: Call) -> None:
    client = Transfers()
    await call(families(client))
    assert client.options.items() >= DELETION.items()


def test_imports() -> None:
    item = ImportItem("https://x.test/a.png", "text-to-image", storage_class=CLASS)
    assert item.to_proto("ada").spec.storage_class == CLASS


@pytest.mark.parametrize(
    "method",
    [
        PathFiles.upload_file,
        Generations.upload,
        Generations.import_url,
        EventMediaFiles.put,
        AsyncClient.copy,
    ],
)
def test_what_the_service_keeps_is_an_option_everywhere(method: Any) -> None:
    asked = {"visibility", "retention", "storage_class", "request_id", "timeout"}
    assert asked <= set(inspect.signature(method).parameters)
