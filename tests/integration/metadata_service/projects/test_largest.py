"""The largest allowed project, on a database whose statistics do not know it yet: each statement stays within
the service's time limit (a nested loop over the files would take minutes).
"""

from __future__ import annotations

from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import Blob
from tests.integration.metadata_service.projects.saving import Projects, entries
from tests.integration.metadata_service.world import World

FILES = 5_000
BATCH = 200


def tree(edition: int) -> dict[str, bytes]:
    """A tree; one file in a hundred differs between editions."""
    return {
        f"src/{number // 50:03}/{number:04}.txt": b"%d %d" % (number, edition if number % 100 == 0 else 0)
        for number in range(FILES)
    }


async def stage(projects: Projects, files: dict[str, bytes]) -> tuple[str, list[pb.ManifestEntry]]:
    """Begin a save and reserve all of ``files``. Returns its id and the entries of the files to write."""
    save_id = (await projects.begin()).save_id
    items, blobs = list(files.items()), list[Blob]()
    for at in range(0, FILES, BATCH):
        blobs += await projects.reserve(save_id, dict(items[at : at + BATCH]))
    return save_id, entries(blobs, files)


async def test_it_is_saved_changed_given_up_and_removed(own_world: World, owner: str) -> None:
    projects = Projects(own_world, owner)
    first = await projects.commit(*await stage(projects, tree(1)), FILES)
    assert (first.version.added, first.version.file_count) == (FILES, FILES)
    second = await projects.commit(*await stage(projects, tree(2)), FILES)
    assert (second.version.changed, second.version.file_count) == (FILES // 100, FILES)
    assert projects.blob_states() == [3] * (FILES + FILES // 100)

    given_up, _ = await stage(projects, {f"new/{path}": body for path, body in tree(3).items()})
    await projects.abandon(given_up)
    assert projects.blob_states() == [3] * (FILES + FILES // 100) + [5] * FILES
    await projects.remove()
    assert projects.blob_states() == [4] * (FILES + FILES // 100) + [5] * FILES
    assert projects.counts("projects", "project_files", "project_save_files") == [0, 0, 0]
