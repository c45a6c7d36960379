"""`blobs_exclusive_key` is unique over all owners: nobody can choose such a key, and a conflict reveals
nothing (docs/decisions/0021).
"""

from __future__ import annotations

import pytest

from metadata_service.files import layouts
from metadata_service.files.layouts import ObjectKey
from strongroom.errors import DatabaseUnavailable
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_DOCUMENTS, UploadSpec, UploadTarget
from tests.integration.metadata_service.world import World, plain_spec

EVENT = "7a1f9d0e-8a43-4b0c-9f52-1f0a4f8f1c11"
HOSTILE = ("../victim/x.txt", "victim", "uploads/victim/x", "x/../../victim", "%2e%2e/victim", "a.txt")


def targets() -> dict[str, UploadTarget]:
    """One target of each family whose keys are exclusive."""
    found = {name: UploadTarget() for name in ("file", "document", "generation", "media", "profile", "temp")}
    found["file"].file.SetInParent()
    found["document"].file.folder = FILE_FOLDER_DOCUMENTS
    found["generation"].generation.type = file_pb2.GENERATION_TYPE_TEXT_TO_IMAGE
    found["generation"].generation.prompt = "victim"
    found["media"].event_media.event_id = EVENT
    found["profile"].profile_picture.SetInParent()
    found["temp"].temp.SetInParent()
    return found


def spec(target: UploadTarget, filename: str) -> UploadSpec:
    return UploadSpec(target=target, filename=filename, content_type="image/png", size_bytes=10)


@pytest.mark.parametrize("family", targets())
async def test_the_same_wish_never_gives_the_same_key(world: World, owner: str, family: str) -> None:
    target = targets()[family]
    keys = []
    for filename in HOSTILE:
        for who in (owner, f"{owner}-2", owner):
            blob = await world.attempt(who, spec(target, filename))
            shared = world.logins.rows("SELECT key_shared FROM blobs WHERE id = %s", blob.id)
            assert shared == [(False,)]
            assert blob.id in blob.key or layouts.holds_time(target)  # by the database's clock
            assert "victim" not in blob.key
            keys.append(blob.key)
    assert len(set(keys)) == len(keys)


async def test_a_conflict_tells_nothing_of_another_owner(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = await world.attempt(f"{owner}-victim", plain_spec())
    monkeypatch.setattr(layouts, "object_key", lambda *_: ObjectKey(theirs.key))
    with pytest.raises(DatabaseUnavailable) as caught:
        await world.attempt(owner, plain_spec())
    told = f"{caught.value.message} {caught.value.metadata}"
    assert "victim" not in told
    assert theirs.key not in told
    assert "blobs" not in told
    assert world.logins.rows("SELECT 1 FROM blobs WHERE owner_id = %s", owner) == []
