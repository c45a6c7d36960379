"""A project that is written while its files are read has the shape of the document."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter

from gateway.families.projects.reading import ProjectReply, _dump, _shown
from gateway.families.projects.shapes import OneProject
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
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
