"""The result of an export: lost is damage, archived can be had later."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from strongroom.cli.export import export_to
from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session
from strongroom.errors import ObjectArchived, ObjectLost

ENDS = [
    ([], ExitCode.OK),
    (["archived"], ExitCode.UNAVAILABLE),
    (["lost"], ExitCode.DAMAGED),
    (["archived", "lost"], ExitCode.DAMAGED),
]


class Client:
    """A client whose files cannot be read: each is ``archived`` or ``lost``."""

    def __init__(self, have: list[str]) -> None:
        self.have = have
        self.projects = SimpleNamespace(list=self._none)

    async def export(self, path: Path, **_: object) -> int:
        lost = [{"name": one, "reason": one, "archived": one == "archived"} for one in self.have]
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", json.dumps({"lost": lost}))
        return 1

    async def list(self) -> AsyncIterator[Any]:
        for number, name in enumerate(self.have):
            yield SimpleNamespace(key=f"paths/ada/{name}", id=str(number), size=1, crc32c=0, name=name)

    async def download(self, file: Any, _: Path) -> None:
        raise (ObjectArchived if file.name == "archived" else ObjectLost)("it can't be read")

    async def _none(self) -> AsyncIterator[Any]:
        for project in list[Any]():
            yield project


def session_of(have: list[str]) -> Session:
    @asynccontextmanager
    async def client() -> AsyncGenerator[Client]:
        yield Client(have)

    return cast("Session", SimpleNamespace(client=client, output=Output(as_json=True, quiet=False)))


@pytest.mark.parametrize(("have", "code"), ENDS)
@pytest.mark.parametrize("name", ["all.zip", "folder/"])
async def test_how_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], have: list[str], code: ExitCode, name: str
) -> None:
    assert await export_to(session_of(have), "", f"{tmp_path}/{name}", force=False) is code
    told = json.loads(capsys.readouterr().out)
    assert (told["lost"], told["archived"]) == (have.count("lost"), have.count("archived"))
