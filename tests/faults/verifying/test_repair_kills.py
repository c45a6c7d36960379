"""SIGKILL of storage_service at each step of a repair, a restore and a purge, and of metadata_service at a
COMMIT: another repair completes it, and nothing is lost or duplicated.

One report for all: each repair begins at its first finding, skips what is repaired by now, and dies at the
first place that reaches its point.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest

from devstack import health
from strongroom.errors import RepairRefused, StrongroomError
from tests.faults.cell import Cell, Service
from tests.faults.verifying import described, planting
from tests.faults.verifying.planting import Expected, Planting
from tests.faults.verifying.points import PURGE, REPAIR, RETURN
from tests.faults.verifying.runs import admin, found, nobody_acts, planting_in, quarantine, repaired, verified
from tests.stack import until

CELL_ENV = {"STRONGROOM_VERIFY_GRACE_SECONDS": "0", "STRONGROOM_CLEANER_SWEEP_SECONDS": "3600",
            "STRONGROOM_VERIFY_INTERVAL_SECONDS": "0"}  # fmt: skip

PLANTED: Final = (
    planting.etag_changed_in_both,
    described.version_replaced_by_a_copy,
    described.metadata_of_another_attempt,
    described.metadata_of_another_attempt,
    described.metadata_of_another_attempt,
    planting.files_row_deleted,
    planting.alien_object,
    planting.files_and_blobs_rows_deleted,
    planting.foreign_version_on_top,
    planting.delete_marker,
    planting.upload_without_parts_at_a_known_key,
    planting.usage_changed,
)


@pytest.fixture(scope="module")
def at(cell: Cell) -> Iterator[Planting]:
    with planting_in(cell) as made:
        yield made


@pytest.fixture(scope="module")
def planted(at: Planting) -> tuple[str, Expected]:
    """The run that has found them, and its findings."""
    expected = set[tuple[str, str]]().union(*(plant(at) for plant in PLANTED))
    run_id = verified(at)
    assert found(at, run_id) == expected
    return run_id, expected


def killed(cell: Cell, at: Planting, service: Service = "storage") -> None:
    """Wait until the process has died, and let enough time pass that the act is over."""
    cell.wait_killed(service)
    at.sql("UPDATE running_acts SET held_until = now()")


@pytest.mark.parametrize("failpoint", REPAIR)
def test_the_repair_dies_at_the_point(
    cell: Cell, at: Planting, planted: tuple[str, Expected], failpoint: str
) -> None:
    run_id, _ = planted
    cell.run(storage=f"{failpoint}=kill")
    with pytest.raises(StrongroomError):
        repaired(at, run_id)
    killed(cell, at)


def test_the_next_repair_ends_it(cell: Cell, at: Planting, planted: tuple[str, Expected]) -> None:
    run_id, expected = planted
    cell.run()
    assert repaired(at, run_id) <= {"done", "outdated"}
    cell.checker.wait_drained()
    assert found(at, verified(at)) == set()
    moved = ("object_orphaned", "foreign_version", "metadata_mismatch", "blob_without_file")
    keys = sorted(key for kind, key in expected if kind in moved)
    assert sorted(quarantine(at).values()) == keys
    shown = at.rows("SELECT owner_id, key FROM files WHERE key = ANY(%s)", [key for _, key in expected])
    assert len(shown) >= 6
    for owner, key in shown:
        with at.client(owner) as client:
            assert client.read(key)


def test_metadata_service_dies_with_the_commit_of_a_row(cell: Cell, at: Planting) -> None:
    """The row is repaired, but nobody gets the answer."""
    cell.run()
    ((_, key),) = described.version_replaced_by_a_copy(at)
    run_id = verified(at)
    rule = cell.postgres.arm(
        "UPDATE blobs SET state = 3, version_id", at="after", then=lambda: cell.kill("metadata")
    )
    with suppress(StrongroomError):
        assert repaired(at, run_id) == {"failed"}
    rule.wait_reached()
    killed(cell, at, "metadata")
    assert at.rows("SELECT version_id FROM blobs WHERE key = %s", key) == [(one,) for one in at.versions(key)]
    cell.run()
    assert repaired(at, run_id) == {"outdated"}


def test_a_rewrite_that_dies_leaves_no_second_version(cell: Cell, at: Planting) -> None:
    """Both belong to the row's own attempt, so no verification would report the old one as foreign."""
    cell.run()
    ((_, key),) = described.media_type_of_an_object_changed(at)
    (old,) = at.versions(key)
    run_id = verified(at)
    cell.run(storage="storage.repair.after_row=kill")
    with pytest.raises(StrongroomError):
        repaired(at, run_id)
    killed(cell, at)
    assert len(at.versions(key)) == 2
    cell.run()
    assert repaired(at, run_id) == {"done"}
    assert old not in at.versions(key)
    assert len(at.versions(key)) == 1
    assert list(quarantine(at).values()).count(key) == 1
    assert repaired(at, run_id) == {"outdated"}


def test_a_lost_file_says_so_until_its_bytes_are_back(cell: Cell, at: Planting) -> None:
    cell.run()
    body = uuid.uuid4().bytes * 3
    owner, key = at.file(body)
    (version,) = at.versions(key)
    before = at.s3.get_object(Bucket=at.bucket, Key=key, VersionId=version)
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=version)
    run_id = verified(at)
    with admin(at) as client:
        assert [(one.action, one.outcome) for one in client.verifications.repair(run_id)] == [
            ("mark", "done")
        ]
    http = at.http(owner)
    assert http.get(f"/api/v1/s3/file/{key}/metadata").json()["data_loss"] == "lost"
    assert [one["data_loss"] for one in http.get("/api/v1/s3/files").json()["files"]] == ["lost"]
    reply = http.get(f"/api/v1/s3/file/{key}")
    assert (reply.status_code, reply.json()["code"]) == (500, "OBJECT_LOST")
    with at.client(owner) as client:
        assert client.get(key).data_loss == "lost"
    attempt = before["Metadata"][planting.ATTEMPT]
    at.put(key, body, strongroom_attempt=attempt)
    assert repaired(at, verified(at)) == {"done"}
    assert "data_loss" not in http.get(f"/api/v1/s3/file/{key}/metadata").json()
    assert http.get(f"/api/v1/s3/file/{key}").content == body


def test_damaged_bytes_are_refused_before_the_first_one(cell: Cell, at: Planting) -> None:
    cell.run()
    body = uuid.uuid4().bytes * 3
    owner, key = at.file(body)
    other = bytes([body[0] ^ 1]) + body[1:]
    (version,) = at.versions(key)
    metadata = at.s3.get_object(Bucket=at.bucket, Key=key, VersionId=version)["Metadata"]
    kind = "application/octet-stream"
    put = at.s3.put_object(Bucket=at.bucket, Key=key, Body=other, Metadata=metadata, ContentType=kind)
    damaged = put["VersionId"]
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=version)
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET version_id = %s WHERE key = %s", damaged, key)
    with admin(at) as client:
        repairs = [one for one in client.verifications.repair(verified(at)) if one.finding.key == key]
    assert {one.action for one in repairs} == {"mark"}
    http = at.http(owner)
    reply = http.get(f"/api/v1/s3/file/{key}")
    assert (reply.status_code, reply.json()["code"]) == (500, "OBJECT_LOST")
    assert "damaged" in reply.json()["detail"]
    assert http.get(f"/api/v1/s3/file/{key}/metadata").json()["data_loss"] == "corrupt"
    assert http.delete(f"/api/v1/s3/file/{key}").status_code == 200


def test_a_restore_that_dies_is_ended_by_the_next_one(cell: Cell, at: Planting) -> None:
    cell.run()
    body = uuid.uuid4().bytes
    key = f"uploads/alien/{uuid.uuid4()}.bin"
    at.put(key, body)
    run_id = verified(at)
    assert repaired(at, run_id) == {"done"}
    assert at.versions(key) == []
    (entry,) = [entry for entry, moved in quarantine(at).items() if moved == key]
    cell.run(storage=f"{RETURN}=kill")
    with pytest.raises(StrongroomError), admin(at) as client:
        client.verifications.restore(entry)
    killed(cell, at)
    cell.run()
    nobody_acts(at)
    with admin(at) as client:
        assert [one.key for one in client.verifications.restore_run(run_id)] == [key]
    (version,) = at.versions(key)
    assert at.s3.get_object(Bucket=at.bucket, Key=key, VersionId=version)["Body"].read() == body
    assert entry not in quarantine(at)


def test_a_purge_that_dies_is_ended_by_the_next_one(cell: Cell, at: Planting) -> None:
    assert quarantine(at)
    with cell.settings(STRONGROOM_QUARANTINE_SECONDS="0"):
        cell.start(storage=f"{PURGE}=kill")
        cell.wait_killed("storage")
        cell.run()
        until("the quarantine is empty", lambda: not quarantine(at))
    listed = at.s3.list_object_versions(Bucket=at.bucket, Prefix=".strongroom/quarantine/")
    assert "Versions" not in listed
    cell.run(storage="")


def test_a_foreign_bucket_and_a_flood_of_orphans_are_refused_and_nothing_is_touched(
    cell: Cell, at: Planting
) -> None:
    cell.run()
    at.file()  # a database without a file is refused because of that
    keys = [f"uploads/alien/{uuid.uuid4()}.bin" for _ in range(3)]
    versions = [at.put(key, key.encode()) for key in keys]
    run_id = verified(at)
    with cell.settings(STRONGROOM_REPAIR_MOST_COUNT="2", STRONGROOM_REPAIR_MOST_PERCENT="1"):
        cell.kill("storage")
        cell.run()
        with pytest.raises(RepairRefused) as refusal:
            repaired(at, run_id)
        assert refusal.value.metadata["rule"] == "too_many_strays"
    cell.kill("storage")
    cell.run()
    mine = at.rows("SELECT id::text FROM installation")[0][0]
    at.sql("UPDATE installation SET id = gen_random_uuid()")
    for refuses in (lambda: repaired(at, run_id), lambda: verified(at)):
        with pytest.raises(RepairRefused) as refusal:
            refuses()
        assert refusal.value.metadata["rule"] == "foreign_bucket"
    at.sql("UPDATE installation SET id = %s", mine)
    assert [at.versions(key) for key in keys] == [[version] for version in versions]
    assert repaired(at, run_id) == {"done"}
    assert [at.versions(key) for key in keys] == [[], [], []]


def test_the_cleaner_leaves_a_foreign_bucket_alone(cell: Cell, at: Planting) -> None:
    """The cleaner would find no objects, record them as removed, and leave them in the right bucket for
    ever. Uploads would be missing once the setting is right.
    """
    cell.run()
    owner, key = at.file()
    assert verified(at)  # so the bucket now names its installation
    mine = at.rows("SELECT id::text FROM installation")[0][0]
    at.sql("UPDATE installation SET id = gen_random_uuid()")
    cell.kill("storage")  # its answer is cached for ten minutes
    cell.start()  # it is ready at most until the cleaner has looked at the bucket
    until("it is told", lambda: "foreign_bucket" in cell.log("storage", 1000))
    until("the gateway answers", health.http_ok(f"{cell.url}/healthz"))
    http = at.http(owner)
    until("it is not ready", lambda: "foreign_bucket" in http.get("/readyz").text)
    assert http.get("/readyz").status_code == 503
    refused = http.post("/api/v1/s3/upload", files={"file": ("a.txt", b"to be kept")})
    assert (refused.status_code, refused.json()["code"]) == (503, "OBJECT_STORE_UNAVAILABLE")
    assert http.delete(f"/api/v1/s3/file/{key}").status_code == 200
    due = "SELECT count(*) FROM blobs WHERE key = %s AND not_before + interval '2 s' < now()"
    until("it is due", lambda: at.rows(due, key) == [(1,)])
    assert at.versions(key)
    at.sql("UPDATE installation SET id = %s", mine)
    cell.kill("storage")
    cell.run()
    cell.checker.wait_drained()
    assert not at.versions(key)
