"""What ``--json`` and manifests say of a file is JSON, whatever the service says of it."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.cli.output import file_document
from strongroom.client.files import StoredFile
from strongroom.metadata.v1 import file_pb2

MOMENT = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


def test_a_file_with_nothing_more_is_json() -> None:
    document = json.loads(json.dumps(file_document(StoredFile.from_proto(file_pb2.File(id="7", crc32c=255)))))
    assert (document["id"], document["crc32c"]) == ("7", "000000ff")


@dataclasses.dataclass(frozen=True)
class Nested:
    """Like what a file has of one kind or another."""

    moment: datetime | None
    hash: bytes
    name: str


@pytest.mark.parametrize("field", [one.name for one in dataclasses.fields(StoredFile) if one.default is None])
def test_whatever_a_field_holds_is_json(field: str) -> None:
    file = StoredFile.from_proto(file_pb2.File(id="7"))
    changes: dict[str, Any] = {field: Nested(MOMENT, b"\xff", "a")}
    document = json.loads(json.dumps(file_document(dataclasses.replace(file, **changes))))
    assert document[field] == {"moment": "2026-11-29T08:00:00Z", "hash": "/w==", "name": "a"}
