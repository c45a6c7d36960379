"""Restores as operators do them, one after the other on one cell. Each ends with a clean verification and
unchanged bytes.

Same bucket: Postgres goes back to an earlier moment; every object of that moment exists, and later ones are
kept or dropped. Other bucket: both are copies; rows are relinked. No database: the rows are rebuilt.
"""

from __future__ import annotations

from typing import Any

import pytest

from strongroom import Client
from strongroom.client.targets import AtPath
from strongroom.errors import ObjectLost, RepairRefused
from tests.e2e import samples
from tests.faults.cell import Cell
from tests.faults.restoring import snapshots
from tests.faults.restoring.holdings import SETTINGS, Holdings, admin_shell, client_of, noise
from tests.stack import until

FORM = "one"
CELL_ENV = {
    "STRONGROOM_RESTORE_WINDOW_SECONDS": "3600",
    "STRONGROOM_READ_GRACE_SECONDS": "0.2",
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "0.2",
    "STRONGROOM_UPLOAD_LEASE_SECONDS": "1",
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "0.2",
    "STRONGROOM_VERIFY_GRACE_SECONDS": "0",
}


#: `Cell` names its bucket after the module.
FIRST_BUCKET = "restoring-drills"


@pytest.fixture(scope="module")
def ada(cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Holdings:
    cell.run()
    holdings = Holdings(cell, "ada", tmp_path_factory.mktemp("ada"))
    holdings.fill()
    holdings.save("old", {"a.txt": b"of a project that goes"})
    return holdings


@pytest.fixture(scope="module")
def before(ada: Holdings) -> dict[str, str]:
    return ada.shown()


@pytest.fixture(scope="module")
def later(cell: Cell, ada: Holdings, before: dict[str, str]) -> dict[str, str]:
    """Store, replace and delete something of every kind after the snapshot. Returns the files that are
    visible then.
    """
    assert len(before) == 11
    taken = snapshots.take(cell, "before")
    change_everything(cell, ada)
    shown = ada.shown()
    until("all that was deleted is hidden", lambda: is_hidden(cell))
    snapshots.restore(cell, taken)
    return shown


def change_everything(cell: Cell, ada: Holdings) -> None:
    with client_of(cell, ada.owner) as client:
        by_name = {file.filename: file for file in client.list()}
        for name in ("small.bin", "large.bin", "fox.png", "m.png", "t.bin"):
            client.delete(by_name[name].key)
        client.upload(noise("path 2"), AtPath("docs/a.bin"))
        client.upload(noise("path 3"), AtPath("docs/a.bin"))
        client.upload(noise("new path"), AtPath("docs/new.bin"))
        client.event_media.set_profile_picture(samples.png(1, 9), filename="new me.png")
        client.upload(noise("later"), filename="später.bin", metadata={"note": "ö"})
        client.generations.upload(samples.png(2, 9), "image-to-image", "a hen", SETTINGS, filename="hen.png")
        client.event_media.put(samples.png(3, 9), ada.event_id, "Later", "", ["z"], filename="later.png")
        client.delete(client.upload(noise("brief"), filename="brief.bin").key)
        client.projects.delete("old")
    ada.save("site", {"index.html": b"<p>2", "kept.txt": b"kept", "added.txt": b"added"})


def is_hidden(cell: Cell) -> bool:
    waiting = cell.checker.query(
        "SELECT count(*) FROM blobs WHERE state = 4 AND not_before < now() + interval '30 min'"
    )
    return int(waiting[0][0]) == 0


@pytest.fixture(scope="module")
def restored(cell: Cell, later: dict[str, str]) -> dict[str, str]:
    with cell.settings(STRONGROOM_CLEANER_ENABLED="false"):
        cell.run()
    return later


def strays(cell: Cell) -> list[dict[str, Any]]:
    outcome = admin_shell(cell)("adopt", "list", "--json")
    assert outcome.exit_code == 0, outcome.err
    return outcome.documents


def test_every_byte_of_that_moment_is_there(
    restored: dict[str, str], ada: Holdings, before: dict[str, str]
) -> None:
    assert ada.shown() == before


def test_what_came_later_is_listed(cell: Cell, restored: dict[str, str], ada: Holdings) -> None:
    found = {(one["kind"], one["project"] or one["family"], one["filename"]) for one in strays(cell)}
    assert found == {
        ("stored_later", "path", "a.bin"),
        ("removed_later", "path", "a.bin"),
        ("stored_later", "path", "new.bin"),
        ("stored_later", "profile_picture", "new me.png"),
        ("stored_later", "file", "später.bin"),
        ("stored_later", "generation", "hen.png"),
        ("stored_later", "event_media", "later.png"),
        ("removed_later", "file", "brief.bin"),
        ("stored_later", "site", "index.html"),
        ("stored_later", "site", "added.txt"),
        *(("hidden", family, name) for family, name in HIDDEN),
    }
    assert all(one["owner_id"] == ada.owner for one in strays(cell))


HIDDEN = (
    ("file", "small.bin"),
    ("file", "large.bin"),
    ("generation", "fox.png"),
    ("event_media", "m.png"),
    ("temp", "t.bin"),
    ("profile_picture", "me.png"),
    ("old", "a.txt"),
    ("site", "dropped.txt"),
)


def test_what_is_kept_is_as_it_was(cell: Cell, restored: dict[str, str], ada: Holdings) -> None:
    """Twice: a run killed in the middle is begun again."""
    for _ in range(2):
        outcome = admin_shell(cell)("adopt", "keep", "--all", "--json")
        assert outcome.exit_code == 0, outcome.out
        assert {one["outcome"] for one in outcome.documents} <= {"kept", "known"}
    shown = ada.shown()
    assert {name: shown.get(name) for name in restored} == restored
    with client_of(cell, ada.owner) as client:
        by_name = {file.filename: file for file in client.list()}
        assert by_name["später.bin"].metadata["note"] == "ö"
        hen = client.generations.get(by_name["hen.png"].id).generation_info
        assert hen is not None
        assert (hen.prompt, hen.settings_json) == ("a hen", SETTINGS)
        media = by_name["later.png"].event_media
        assert media is not None
        assert media.tags == ("z",)
        assert client.event_media.get_profile_picture().filename == "new me.png"


def test_what_is_dropped_is_gone_and_nothing_else(
    cell: Cell, restored: dict[str, str], ada: Holdings
) -> None:
    before = ada.shown()
    shell = admin_shell(cell)
    assert shell("adopt", "drop", "--all").exit_code == 2  # not asked for confirmation
    outcome = shell("adopt", "drop", "--all", "--yes", "--json")
    assert {one["outcome"] for one in outcome.documents} == {"dropped"}, outcome.out
    assert strays(cell) == []
    assert ada.shown() == before


def test_a_verification_ends_clean(cell: Cell, restored: dict[str, str], ada: Holdings) -> None:
    before = ada.shown()
    cell.stop_services()
    cell.run()
    until("the cleaner has nothing left to do", lambda: is_hidden(cell))
    outcome = admin_shell(cell)("verify", "--depth=bytes", "--json")
    assert outcome.exit_code == 0, outcome.out
    assert ada.shown() == before


@pytest.fixture(scope="module")
def moved(cell: Cell, restored: dict[str, str], ada: Holdings) -> dict[str, str]:
    """Another bucket with the objects, and the same database."""
    shown = ada.shown()
    taken = snapshots.take(cell, "to-move")
    cell.stop_services()
    assert snapshots.copy_bucket(cell, "drill-copy") > len(shown) / 2
    snapshots.restore(cell, taken)
    with cell.settings(STRONGROOM_CLEANER_ENABLED="false"):
        cell.run()
    return shown


def test_in_another_bucket_nothing_is_found_before(cell: Cell, moved: dict[str, str], ada: Holdings) -> None:
    assert admin_shell(cell)("verify", "--depth=listings").exit_code == 1
    with client_of(cell, ada.owner) as client, pytest.raises(ObjectLost):
        client.read(next(key for key in moved if key.startswith("paths/")))


def test_with_the_bucket_of_another_installation_nothing_is_kept_or_relinked(
    cell: Cell, moved: dict[str, str], ada: Holdings
) -> None:
    mine = cell.checker.query("SELECT id::text FROM installation")[0][0]
    cell.checker.query("UPDATE installation SET id = gen_random_uuid() RETURNING id")
    with Client(
        cell.storage_address, cell.address("metadata"), token=cell.token("operator", roles=["admin"])
    ) as client:
        names = [(key, "") for key in moved]
        for act in (lambda: client.restores.keep(names), client.restores.relink):
            with pytest.raises(RepairRefused) as refusal:
                list(act())
            assert refusal.value.metadata["rule"] == "foreign_bucket"
        assert list(client.restores.relink(dry_run=True)), "to look is harmless"
    cell.checker.query("UPDATE installation SET id = %s RETURNING id", mine)


def test_rows_are_relinked(cell: Cell, moved: dict[str, str], ada: Holdings) -> None:
    shell = admin_shell(cell)
    looked = shell("relink", "--dry-run", "--json").documents[-1]
    assert (looked["right"], looked["unlinked"]) == (0, 0)
    done = shell("relink", "--json")
    assert done.exit_code == 0, done.out
    assert done.documents[-1]["relinked"] == looked["relinked"] == looked["rows"] > 8
    again = shell("relink", "--json").documents[-1]
    assert (again["relinked"], again["right"]) == (0, looked["rows"])
    assert ada.shown() == moved


def test_what_the_copy_lacks_is_told(cell: Cell, moved: dict[str, str], ada: Holdings) -> None:
    key = next(key for key in moved if key.startswith("uploads/"))
    s3, bucket = cell.checker.s3, cell.store.bucket
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    body = s3.get_object(Bucket=bucket, Key=key)
    content, said = body["Body"].read(), {"Metadata": body["Metadata"], "ContentType": body["ContentType"]}
    s3.delete_object(Bucket=bucket, Key=key, VersionId=listed[0]["VersionId"])
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(len(content)), **said)
    outcome = admin_shell(cell)("relink", "--json")
    assert outcome.exit_code == 1
    assert [(one["key"], "checksum" in one["found"]) for one in outcome.documents[:-1]] == [(key, True)]
    s3.put_object(Bucket=bucket, Key=key, Body=content, **said)
    assert admin_shell(cell)("relink").exit_code == 0
    wrong = next(
        one for one in s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"] if not one["IsLatest"]
    )
    s3.delete_object(Bucket=bucket, Key=key, VersionId=wrong["VersionId"])


def test_the_other_bucket_verifies_clean(cell: Cell, moved: dict[str, str], ada: Holdings) -> None:
    cell.stop_services()
    cell.run()
    until("the cleaner has nothing left to do", lambda: is_hidden(cell))
    outcome = admin_shell(cell)("verify", "--depth=bytes", "--json")
    assert outcome.exit_code == 0, outcome.out
    assert ada.shown() == moved


@pytest.fixture(scope="module")
def rebuilt(cell: Cell, moved: dict[str, str]) -> dict[str, str]:
    """The first drill's bucket, and an empty database. Old versions of projects are lost."""
    cell.stop_services()
    cell.use_bucket(FIRST_BUCKET)
    snapshots.restore(cell, None)
    with cell.settings(STRONGROOM_CLEANER_ENABLED="false"):
        cell.run()
    newest = {name: digest for name, digest in moved.items() if not name.startswith("site 1 ")}
    return {name.replace("site 2 ", "site 1 "): digest for name, digest in newest.items()}


def test_an_empty_database_takes_nothing_from_the_bucket(cell: Cell, rebuilt: dict[str, str]) -> None:
    before = cell.checker.s3.list_object_versions(Bucket=FIRST_BUCKET)["Versions"]
    outcome = admin_shell(cell)("adopt", "drop", "--all", "--yes")
    assert outcome.exit_code == 2
    assert "knows only 0" in outcome.err
    assert cell.checker.s3.list_object_versions(Bucket=FIRST_BUCKET)["Versions"] == before


def test_rows_are_made_anew(cell: Cell, rebuilt: dict[str, str], ada: Holdings) -> None:
    shell = admin_shell(cell)
    assert shell("rebuild", "--json").exit_code == 0
    again = shell("rebuild")
    assert (again.exit_code, again.out) == (0, "")
    assert "old versions of projects" in again.err
    assert ada.shown() == rebuilt
    with client_of(cell, ada.owner) as client:
        fox = next(file for file in client.generations.list() if file.filename == "fox.png").generation_info
        assert fox is not None
        assert (fox.type, fox.prompt, fox.settings_json) == ("text-to-image", "a fox", SETTINGS)


def test_the_rebuilt_database_verifies_clean(cell: Cell, rebuilt: dict[str, str], ada: Holdings) -> None:
    dropped = admin_shell(cell)("adopt", "drop", "--all", "--yes", "--even-most")
    assert dropped.exit_code == 0, dropped.out
    cell.stop_services()
    cell.run()
    until("the cleaner has nothing left to do", lambda: is_hidden(cell))
    outcome = admin_shell(cell)("verify", "--depth=bytes", "--json")
    assert outcome.exit_code == 0, outcome.out
    assert ada.shown() == rebuilt
