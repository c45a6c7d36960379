"""A user's files of every family, and the SHA-256 of their bytes as returned by GET."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from strongroom import Client
from strongroom.client.targets import AtPath
from tests.e2e import samples
from tests.faults.cell import Cell
from tests.faults.client import LARGE
from tests.integration.sdk.shell import Shell

SETTINGS: Final = '{"seed": 7}'


def noise(seed: str, size: int = 3000) -> bytes:
    return random.Random(seed).randbytes(size)


@contextmanager
def client_of(cell: Cell, owner: str) -> Iterator[Client]:
    with Client(cell.storage_address, cell.address("metadata"), token=cell.token(owner)) as client:
        yield client


def admin_shell(cell: Cell) -> Shell:
    return Shell(
        {
            "STRONGROOM_STORAGE_ADDRESS": cell.storage_address,
            "STRONGROOM_METADATA_ADDRESS": cell.address("metadata"),
            "STRONGROOM_TOKEN": cell.token("operator", roles=["admin"]),
        }
    )


class Holdings:
    """One user's files. ``shown`` is what GET returns now."""

    def __init__(self, cell: Cell, owner: str, folder: Path) -> None:
        self.owner = owner
        self.event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, owner))
        self._cell = cell
        self._folder = folder

    def fill(self) -> None:
        """Create one of each family, and a project."""
        with client_of(self._cell, self.owner) as client:
            client.upload(noise(f"{self.owner} small"), filename="small.bin", metadata={"note": "ä"})
            client.upload(noise(f"{self.owner} large", LARGE), filename="large.bin")
            client.upload(noise(f"{self.owner} path"), AtPath("docs/a.bin"))
            client.generations.upload(samples.png(), "text-to-image", "a fox", SETTINGS, filename="fox.png")
            client.event_media.put(samples.png(), self.event_id, "Fest", "long", ["x", "y"], filename="m.png")
            client.event_media.set_profile_picture(samples.png(), filename="me.png")
            client.event_media.put_temp(noise(f"{self.owner} temp"), filename="t.bin")
        self.save("site", {"index.html": b"<p>1", "kept.txt": b"kept", "dropped.txt": b"dropped"})

    def save(self, slug: str, files: dict[str, bytes]) -> None:
        tree = self._folder / f"{self.owner}-{uuid.uuid4()}"
        for path, body in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(body)
        with client_of(self._cell, self.owner) as client:
            client.projects.save(tree, slug)

    def shown(self) -> dict[str, str]:
        """Digests by key; for projects by slug, version and path."""
        digests = {}
        with client_of(self._cell, self.owner) as client:
            for file in client.list():
                digests[file.key] = hashlib.sha256(client.read(file.key)).hexdigest()
            for project in client.projects.list():
                for version in client.projects.versions(project.slug):
                    where = self._folder / str(uuid.uuid4())
                    client.projects.restore(project.slug, where, version=version.version)
                    for path in sorted(where.rglob("*")):
                        if path.is_file():
                            name = f"{project.slug} {version.version} {path.relative_to(where)}"
                            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return digests
