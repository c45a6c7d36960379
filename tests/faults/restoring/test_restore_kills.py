"""SIGKILL at each step of keeping, relinking, restoring a project and hiding: repeating the operation
completes it, each object is one file, and every byte is unchanged.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal

import pytest

from strongroom.errors import StrongroomError
from tests.e2e.belongings import project
from tests.faults.cell import Cell
from tests.faults.test_points import registered
from tests.faults.verifying.planting import Planting
from tests.faults.verifying.runs import admin, nobody_acts, planting_in, verified
from tests.stack import until

CELL_ENV = {
    "STRONGROOM_RESTORE_WINDOW_SECONDS": "3600",
    "STRONGROOM_READ_GRACE_SECONDS": "0.2",
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "0.2",
    "STRONGROOM_UPLOAD_LEASE_SECONDS": "1",
    "STRONGROOM_VERIFY_GRACE_SECONDS": "0",
    "STRONGROOM_VERIFY_INTERVAL_SECONDS": "0",
}
KEEP = (
    "metadata.restore.adopt.before_commit",
    "metadata.restore.adopt.after_commit",
    "storage.restore.after_adopt",
)
RELINK = (
    "storage.restore.before_relink",
    "metadata.restore.relink.before_commit",
    "metadata.restore.relink.after_commit",
)
PROJECT, HIDE = "storage.restore.before_save", "storage.restore.after_hide"


def test_every_failpoint_is_used() -> None:
    assert {name for name in registered() if name.split(".")[1] == "restore"} == {
        *KEEP,
        *RELINK,
        PROJECT,
        HIDE,
    }


@pytest.fixture(scope="module")
def at(cell: Cell) -> Iterator[Planting]:
    with planting_in(cell) as made:
        yield made


def killed(cell: Cell, at: Planting, failpoint: str, act: Callable[[], object]) -> None:
    """Run the operation, in which a service dies; then restart all, and end the dead one's lease."""
    service: Literal["storage", "metadata"] = "storage" if failpoint.startswith("storage.") else "metadata"
    cell.run(**{service: f"{failpoint}=kill"})
    with suppress(StrongroomError):  # with many objects each has its answer, also about its failure
        act()
    cell.wait_killed(service)
    cell.run()
    nobody_acts(at)


def keep(at: Planting, key: str) -> list[str]:
    """The results for each version of it."""
    names = [(key, version) for version in at.versions(key)]
    with admin(at) as client:
        return [one.outcome for one in client.restores.keep(names)]


def relink(at: Planting) -> int:
    with admin(at) as client:
        return sum(page.relinked for page in client.restores.relink())


def count_anew(at: Planting, owner: str) -> None:
    """Recount after rows were removed without the service."""
    with admin(at) as client:
        assert list(client.admin.reindex(owner))


@pytest.mark.parametrize("failpoint", KEEP)
def test_what_is_kept_is_one_file(cell: Cell, at: Planting, failpoint: str) -> None:
    cell.run()
    body = uuid.uuid4().bytes
    owner, key = at.file(body)
    at.sql("DELETE FROM files WHERE key = %s", key)
    at.sql("DELETE FROM blobs WHERE key = %s", key)
    count_anew(at, owner)
    killed(cell, at, failpoint, lambda: keep(at, key))
    assert keep(at, key) == ["kept" if failpoint == KEEP[0] else "known"]
    with at.client(owner) as client:
        assert [file.key for file in client.list()] == [key]
        assert client.read(key) == body
        assert client.usage().file_count == 1


@pytest.mark.parametrize("failpoint", RELINK)
def test_what_is_relinked_names_its_bytes(cell: Cell, at: Planting, failpoint: str) -> None:
    cell.run()
    body = uuid.uuid4().bytes
    owner, key = at.file(body)
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET version_id = 'of another bucket', etag = 'other' WHERE key = %s", key)
    killed(cell, at, failpoint, lambda: relink(at))
    assert relink(at) == (0 if failpoint == RELINK[-1] else 1)
    with at.client(owner) as client:
        assert client.read(key) == body


def test_a_project_is_saved_once(cell: Cell, at: Planting) -> None:
    cell.run()
    owner = at.owner()
    with at.http(owner) as http:
        tree = project("site") | {"files": [{"path": "a.txt", "content": "a"}]}
        saved = http.post("/api/projects/save", json=tree)
        assert saved.status_code in {200, 201}, saved.text
    ((key,),) = at.rows("SELECT key FROM blobs WHERE owner_id = %s", owner)
    for table in ("project_files", "project_versions", "projects", "blobs"):
        at.sql(f"DELETE FROM {table} WHERE owner_id = %s", owner)
    count_anew(at, owner)
    killed(cell, at, PROJECT, lambda: keep(at, key))
    assert keep(at, key) == ["kept"]
    with at.client(owner) as client:
        (restored,) = client.projects.list()
        assert (restored.slug, restored.version, restored.file_count) == ("site", 1, 1)


def test_what_is_hidden_keeps_its_bytes(cell: Cell, at: Planting) -> None:
    cell.run(storage=f"{HIDE}=kill")
    owner, key = at.file()
    with at.client(owner) as client:
        client.delete(key)
    cell.wait_killed("storage")
    cell.run()
    waits = (
        "SELECT count(*) FROM blobs WHERE key = %s AND state = 4 AND not_before > now() + interval '30 min'"
    )
    until("it waits for the window to pass", lambda: at.rows(waits, key) == [(1,)])
    listed = at.s3.list_object_versions(Bucket=at.bucket, Prefix=key)
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (1, 1)
    assert listed["DeleteMarkers"][0]["IsLatest"]


def test_a_verification_finds_nothing_that_is_wrong(cell: Cell, at: Planting) -> None:
    """After dropping what the project was restored from: the last step after a restore."""
    cell.run()
    with admin(at) as client:
        strays = [stray for page, _ in client.restores.strays() for stray in page]
        assert [stray.filename for stray in strays] == ["a.txt"]
        dropped = client.restores.drop([stray.name for stray in strays])
        assert [one.outcome for one in dropped] == ["dropped"]
        found = list(client.verifications.findings(verified(at)))
    assert found == []
