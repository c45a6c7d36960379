"""The hand-written list conforms to its shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import TypeAdapter

from gateway.families.files.routes import _page
from gateway.families.files.shapes import FileList
from strongroom.metadata.v1.file_pb2 import File

NAMES = ["uploads/alice/a.png", 'q"uote\\.txt', "é\u2028\n\x00.txt", "🦊"]


def file(name: str, size: int) -> File:
    changed = Timestamp()
    changed.FromDatetime(datetime(2026, 1, 2, 3, 4, 5, 123456, UTC))
    return File(key=name, size_bytes=size, content_type=f"text/{name}", etag=name, update_time=changed)


@pytest.mark.parametrize("token", ["", 'to"ken'])
@pytest.mark.parametrize("names", [[], NAMES], ids=["empty", "full"])
def test_a_page_by_hand_has_its_shape(names: list[str], token: str) -> None:
    raw = _page([file(name, 2**60 + number) for number, name in enumerate(names)], token)
    page = TypeAdapter(FileList).validate_json(raw, strict=True)
    row: list[Any] = [
        {
            "key": name,
            "size": 2**60 + number,
            "content_type": f"text/{name}",
            "etag": name,
            "last_modified": "2026-01-02T03:04:05.123456Z",
        }
        for number, name in enumerate(names)
    ]
    assert json.loads(raw) == page
    assert page == {
        "files": row,
        "is_truncated": bool(token),
        "next_continuation_token": token or None,
        "next_page_token": token or None,
    }
