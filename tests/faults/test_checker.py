"""The checker finds each kind of damage, planted beside an undamaged file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from devstack import bucket
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import new_upload, put

Plant = Callable[[Cell, Upload], None]


@dataclass(frozen=True)
class Damage:
    """A change to a healthy system, and the checker's expected message; ``undo`` reverts it."""

    name: str
    plant: Plant
    says: str
    undo: Plant

    def __str__(self) -> str:
        return self.name


def _sql(statement: str) -> Plant:
    def run(cell: Cell, upload: Upload) -> None:
        cell.checker.query(f"WITH done AS ({statement} RETURNING 1) SELECT count(*) FROM done", upload.owner)

    return run


def _object(cell: Cell, upload: Upload) -> None:
    bucket.client(cell.store).put_object(Bucket=cell.store.bucket, Key="uploads/stray/one.bin", Body=b"?")


def _no_object(cell: Cell, upload: Upload) -> None:
    for key, version, _ in cell.checker.versions():
        if key == "uploads/stray/one.bin":
            bucket.client(cell.store).delete_object(Bucket=cell.store.bucket, Key=key, VersionId=version)


def _open_upload(cell: Cell, upload: Upload) -> None:
    bucket.client(cell.store).create_multipart_upload(Bucket=cell.store.bucket, Key="uploads/stray/two.bin")


def _no_open_upload(cell: Cell, upload: Upload) -> None:
    for key, upload_id in cell.checker.open_uploads():
        bucket.client(cell.store).abort_multipart_upload(
            Bucket=cell.store.bucket, Key=key, UploadId=upload_id
        )


def _marker(cell: Cell, upload: Upload) -> None:
    bucket.client(cell.store).delete_object(Bucket=cell.store.bucket, Key=upload.acked)


def _no_marker(cell: Cell, upload: Upload) -> None:
    for key, version, kind in cell.checker.versions():
        if kind == "marker":
            bucket.client(cell.store).delete_object(Bucket=cell.store.bucket, Key=key, VersionId=version)


def _other_body(cell: Cell, upload: Upload) -> None:
    upload.body = bytes(reversed(upload.body))


def _other_key(cell: Cell, upload: Upload) -> None:
    upload.acked = upload.acked[::-1]


_STATE = "UPDATE blobs SET state = {}, not_before = now() + interval '1 hour' WHERE owner_id = %s"
DAMAGE = (
    Damage("stray object", _object, "object without a row", _no_object),
    Damage("open upload", _open_upload, "open multipart upload", _no_open_upload),
    Damage("delete marker", _marker, "delete marker left", _no_marker),
    Damage("missing version", _sql("UPDATE blobs SET version_id = version_id || '0' WHERE owner_id = %s"),
           "row without its object",
           _sql("UPDATE blobs SET version_id = left(version_id, -1) WHERE owner_id = %s")),
    Damage("stuck row", _sql(_STATE.format(5)), "blob in state 5", _sql(_STATE.format(3))),
    Damage("usage", _sql("UPDATE usage SET used_bytes = used_bytes + 1 WHERE owner_id = %s"), "usage of",
           _sql("UPDATE usage SET used_bytes = used_bytes - 1 WHERE owner_id = %s")),
    Damage("size", _sql("UPDATE files SET size_bytes = size_bytes + 1 WHERE owner_id = %s"),
           "that no file matches",
           _sql("UPDATE files SET size_bytes = size_bytes - 1 WHERE owner_id = %s")),
    Damage("hidden file", _sql("UPDATE files SET deleted_at = now(), purge_at = now() + interval '1 hour' "
                               "WHERE owner_id = %s"), "acknowledged as",
           _sql("UPDATE files SET deleted_at = NULL, purge_at = NULL WHERE owner_id = %s")),
    Damage("lost answer", _sql("UPDATE idempotency_keys SET reply = NULL WHERE owner_id = %s"),
           "its answer is not kept",
           _sql("UPDATE idempotency_keys SET reply = 'x' WHERE owner_id = %s")),
    Damage("other bytes", _other_body, "does not hold the bytes", _other_body),
    Damage("other key", _other_key, "acknowledged as", _other_key),
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_planted_damage_is_found(cell: Cell, damage: Damage) -> None:
    cell.run()
    upload = new_upload(damage.name.replace(" ", "-"))
    assert put(cell, upload).status == 201
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []
    damage.plant(cell, upload)
    found = cell.checker.problems(upload)
    damage.undo(cell, upload)
    assert any(damage.says in problem for problem in found), found
    assert cell.checker.problems(upload) == []


def test_what_must_be_hidden_is_not_visible(cell: Cell) -> None:
    cell.run()
    upload = new_upload("expectations")
    assert cell.checker.must_hold(upload, "hidden") == []
    assert cell.checker.must_hold(upload, "visible") != []
    put(cell, upload)
    assert cell.checker.must_hold(upload, "hidden") != []
    assert cell.checker.must_hold(upload, "either") == []
