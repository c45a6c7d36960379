"""Files in ``--json`` and manifests are valid JSON, whatever the service returns."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.cli.output import file_document
from strongroom.cli.project import document as project_document
from strongroom.client.files import Hold, Kept, StoredFile
from strongroom.client.project_values import Project
from strongroom.metadata.v1 import file_pb2, project_pb2

MOMENT = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


def test_a_file_with_nothing_more_is_json() -> None:
    document = json.loads(json.dumps(file_document(StoredFile.from_proto(file_pb2.File(id="7", crc32c=255)))))
    assert (document["id"], document["crc32c"]) == ("7", "000000ff")


@dataclasses.dataclass(frozen=True)
class Nested:
    """A value with fields of the types that the details of files have."""

    moment: datetime | None
    hash: bytes
    name: str


@pytest.mark.parametrize("field", [one.name for one in dataclasses.fields(StoredFile) if one.default is None])
def test_whatever_a_field_holds_is_json(field: str) -> None:
    file = StoredFile.from_proto(file_pb2.File(id="7"))
    changes: dict[str, Any] = {field: Nested(MOMENT, b"\xff", "a")}
    document = json.loads(json.dumps(file_document(dataclasses.replace(file, **changes))))
    assert document[field] == {"moment": "2026-11-29T08:00:00Z", "hash": "/w==", "name": "a"}


KEPT = Kept(MOMENT, None, Hold("case 7", by_admin=False, placed_at=MOMENT))
SHOWN = {
    "until": "2026-11-29T08:00:00Z",
    "delete_after": None,
    "hold": {"reason": "case 7", "by_admin": False, "placed_at": "2026-11-29T08:00:00Z"},
}


def test_what_is_held_is_json() -> None:
    file = dataclasses.replace(StoredFile.from_proto(file_pb2.File(id="7")), kept=KEPT)
    assert json.loads(json.dumps(file_document(file)))["kept"] == SHOWN
    project = Project.from_proto(project_pb2.Project(slug="site"))
    assert json.loads(json.dumps(project_document(project)))["kept"] is None
    held = dataclasses.replace(project, kept=KEPT)
    assert json.loads(json.dumps(project_document(held)))["kept"] == SHOWN
