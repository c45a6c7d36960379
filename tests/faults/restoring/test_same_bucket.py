"""Postgres goes back to an earlier moment, the bucket stays: every object of that moment is there, and what
came later is kept or dropped.
"""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.client.targets import AtPath
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
    """After the moment something of every kind is stored, replaced and deleted; what is shown then."""
    assert len(before) == 11
    taken = snapshots.take(cell)
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
    """Twice: a run that was killed in the middle is begun anew."""
    for _ in range(2):
        outcome = admin_shell(cell)("adopt", "keep", "--all", "--json")
        assert {one["outcome"] for one in outcome.documents} <= {"kept", "known", "refused"}
        refused = [one for one in outcome.documents if one["outcome"] == "refused"]
        assert all(one["key"].startswith("projects/") for one in refused), refused
    shown = ada.shown()
    assert {key: digest for key, digest in restored.items() if not key.startswith("site")} == {
        key: digest for key, digest in shown.items() if key in restored and not key.startswith("site")
    }
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
    assert shell("adopt", "drop", "--all").exit_code == 2  # nobody was asked
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
