"""Storage classes named by saves and drops."""

from __future__ import annotations

import pytest

from metadata_service.attempts.reservation import Reserver
from metadata_service.projects.start import SaveStarter
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.share_pb2 import Drop, ShareScope
from strongroom.metadata.v1.share_service_pb2 import CreateShareRequest
from tests.integration.metadata_service.projects.saving import Projects, entries, sha256
from tests.integration.metadata_service.shares.making import maker_of
from tests.integration.metadata_service.world import SINGLE, World, path_spec

IA = "STANDARD_IA"


async def begin(projects: Projects, storage_class: str, *classes: str) -> str:
    world = projects.world
    starter = SaveStarter(world.database, world.timing, frozenset(classes))
    request = pb.BeginSaveRequest(slug=projects.slug, storage_class=storage_class)
    return (await starter.begin(projects.owner, request)).save_id


async def reserved(projects: Projects, save_id: str, files: dict[str, bytes]) -> list[str]:
    """Reserve the files and commit the save. Returns the storage class of each new blob."""
    asked = [
        pb.FileReservation(path=path, content_type="text/plain", size_bytes=len(body), sha256=sha256(body))
        for path, body in files.items()
    ]
    request = pb.ReserveFilesRequest(save_id=save_id, owner_id=projects.owner, files=asked, storage_class=IA)
    blobs = await projects.writing.reserve(request)
    await projects.commit(save_id, entries(blobs, files), len(files))
    return [blob.spec.storage_class for blob in blobs]


async def test_what_a_save_stores_is_of_its_class(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    await projects.save({"same.txt": b"same"})
    save_id = await begin(projects, IA, IA, "GLACIER_IR")
    assert await reserved(projects, save_id, {"same.txt": b"same", "new.txt": b"new"}) == ["", IA]
    rows = world.logins.rows("SELECT key, storage_class FROM blobs WHERE owner_id = %s ORDER BY key", owner)
    assert [kind for _, kind in rows] == [IA, ""]


@pytest.mark.parametrize(
    ("classes", "told"), [((), "leave storage_class out"), (("GLACIER_IR",), "one of: GLACIER_IR")]
)
async def test_a_class_that_may_not_be_named(
    world: World, owner: str, classes: tuple[str, ...], told: str
) -> None:
    projects = Projects(world, owner)
    with pytest.raises(InvalidField, match=told) as refused:
        await begin(projects, IA, *classes)
    assert refused.value.metadata["field"] == "storage_class"
    maker = maker_of(world)
    scope = ShareScope(drop=Drop(path="in", storage_class=IA))
    with pytest.raises(InvalidField, match="leave storage_class out"):
        await maker.create(owner, CreateShareRequest(scope=scope))


@pytest.mark.parametrize(("allowed", "found"), [((IA,), IA), ((), "")])
async def test_guests_never_hear_of_classes(
    world: World, owner: str, allowed: tuple[str, ...], found: str
) -> None:
    """Not even if the installation no longer allows the class that the drop was created with."""
    scope = ShareScope(drop=Drop(path="in", storage_class=IA))
    share = (
        await maker_of(world, classes=frozenset({IA})).create(owner, CreateShareRequest(scope=scope))
    ).share
    assert share.scope.drop.storage_class == IA
    reserver = Reserver(world.database, world.timing, world.limits, classes=allowed)
    spec = path_spec(share_id=share.id, storage_class=IA)
    blob = (await reserver.reserve(owner, ReserveRequest(spec=spec, kind=SINGLE))).blob
    assert blob.spec.storage_class == found
