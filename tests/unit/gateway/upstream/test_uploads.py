"""The meaning of family B's form."""

from __future__ import annotations

import pytest

from gateway.families.files.routes import FileForm
from strongroom.errors import InvalidField
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_AUDIO, FILE_FOLDER_DOCUMENTS, FILE_FOLDER_UPLOADS


@pytest.mark.parametrize(
    ("fields", "folder", "class_id"),
    [
        ({}, FILE_FOLDER_UPLOADS, ""),
        ({"folder": "uploads"}, FILE_FOLDER_UPLOADS, ""),
        ({"folder": "documents", "class_id": ""}, FILE_FOLDER_DOCUMENTS, ""),
        ({"folder": "audio", "class_id": "c1"}, FILE_FOLDER_AUDIO, "c1"),
        ({"unknown": "x"}, FILE_FOLDER_UPLOADS, ""),
    ],
)
def test_targets(fields: dict[str, str], folder: int, class_id: str) -> None:
    target = FileForm().target(fields).file
    assert (target.folder, target.class_id) == (folder, class_id)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"folder": "other"}, "folder"),
        ({"folder": ""}, "folder"),
        ({"folder": "audio"}, "class_id"),
        ({"folder": "audio", "class_id": ""}, "class_id"),
        ({"class_id": "c1"}, "class_id"),
        ({"folder": "documents", "class_id": "c1"}, "class_id"),
    ],
)
def test_refused_targets(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        FileForm().target(fields)
    assert raised.value.field == field


def test_settled_means_that_no_later_field_matters() -> None:
    form = FileForm()
    assert not form.settled({})
    assert not form.settled({"class_id": "c1"})
    assert not form.settled({"folder": "audio"})
    assert form.settled({"folder": "audio", "class_id": "c1"})
    assert form.settled({"folder": "documents"})
