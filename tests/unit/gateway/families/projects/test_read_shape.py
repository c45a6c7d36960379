"""A project written while its files are read conforms to the documented shape."""

from __future__ import annotations

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import TypeAdapter

from gateway.families.projects.reading import ProjectReply, _dump, _shown
from gateway.families.projects.shapes import OneProject
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.metadata.v1.retention_pb2 import Hold, Retention
from tests.unit.gateway.calls import make_call

FILES = [
    (ProjectFile(path="run.sh", executable=True), b"echo"),
    (ProjectFile(path='src/"é".py'), "print('é')".encode()),
    (ProjectFile(path="a.png"), b"\x89PNG\xff"),
]


@pytest.mark.parametrize("count", range(4))
def test_a_project_by_hand_has_its_shape(count: int) -> None:
    project = Project(name='My "site"', slug="my-site", owner_id="alice")
    head, tail = ProjectReply(make_call(), project, 3, [])._frame()
    raw = head + ",".join(_dump(_shown(file, content)) for file, content in FILES[:count]) + tail
    found = TypeAdapter(OneProject).validate_json(raw, strict=True)
    assert found == json.loads(raw)
    assert [one["path"] for one in found["project"]["files"]] == [file.path for file, _ in FILES[:count]]
    assert [one["encoding"] for one in found["project"]["files"]] == ["utf-8", "utf-8", "base64"][:count]
    assert [one.get("executable") for one in found["project"]["files"]] == [True, None, None][:count]


def test_a_project_shows_how_long_it_stays_where_that_is_set() -> None:
    kept = Retention(
        keep_until_time=Timestamp(seconds=1_988_244_000),
        hold=Hold(reason='case "17"', by_admin=True, place_time=Timestamp(seconds=1_767_323_045)),
    )
    shown = []
    for retention in (None, kept):
        project = Project(name="Site", slug="site", retention=retention)
        raw = "".join(ProjectReply(make_call(), project, 1, [])._frame())
        shown.append(TypeAdapter(OneProject).validate_json(raw, strict=True)["project"])
    plain, found = shown
    assert set(found) - set(plain) == {"keep_until", "hold"}
    assert found["keep_until"] == "2033-01-02T02:00:00Z"
    assert found["hold"] == {
        "reason": 'case "17"', "by_admin": True, "placed_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
