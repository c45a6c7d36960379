"""Cutting messages, the hold budget, and what family B's form means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.families.files.routes import FileForm
from gateway.upstream.uploads import _Batch
from strongroom.errors import InvalidField
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_AUDIO, FILE_FOLDER_DOCUMENTS, FILE_FOLDER_UPLOADS


@given(pieces=st.lists(st.binary(max_size=30)), cuts=st.lists(st.integers(min_value=0, max_value=50)))
def test_what_is_cut_is_what_was_added(pieces: list[bytes], cuts: list[int]) -> None:
    batch, whole, out = _Batch(), b"".join(pieces), b""
    batch.add(pieces)
    for size in cuts:
        taken = b"".join(batch.cut(size))
        assert len(taken) == min(size, len(whole) - len(out))
        out += taken
        assert batch.size == len(whole) - len(out)
    assert out + b"".join(batch.cut(10_000)) == whole
    assert (batch.size, batch.pieces) == (0, [])


def test_cutting_copies_nothing() -> None:
    batch = _Batch()
    batch.add([b"abcdef"])
    (first,) = batch.cut(2)
    assert isinstance(first, memoryview)
    assert first.obj == b"abcdef"


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
