"""Uploads and downloads by family and protocol; nothing of a file becomes a label."""

from __future__ import annotations

import pytest

from servicekit.context import RequestContext, bind
from storage_service.servicers.transfers import Transfers, by_gateway, family_of, read_way
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_GENERATION, File, FileFamily
from strongroom.metadata.v1.project_pb2 import ProjectFile
from tests.unit.storage_service.servicers.counted import values


def test_by_the_way_that_they_took() -> None:
    metrics, request = Transfers(), RequestContext("r", by_gateway=True)
    file = File(id="01a", family=FILE_FAMILY_GENERATION, size_bytes=7)
    with bind(request):
        metrics.stored(file, by_gateway("form"))
        metrics.stored(file, by_gateway("tus"))
        metrics.begun(file, read_way()).inc(3)
    assert request.file_id == "01a"
    with bind(RequestContext("r")):
        metrics.stored(file, by_gateway("tus"))
        metrics.begun(ProjectFile(size_bytes=5), read_way()).inc(5)
        metrics.saved(100, by_gateway("form"))
    assert values(metrics, "strongroom_uploads_total") == {
        ("generation", "form"): 1,
        ("generation", "tus"): 1,
        ("generation", "grpc"): 1,
        ("project", "grpc"): 1,
    }
    assert values(metrics, "strongroom_upload_bytes_total")[("project", "grpc")] == 100
    assert values(metrics, "strongroom_download_bytes_total") == {
        ("generation", "http"): 3,
        ("project", "grpc"): 5,
    }


@pytest.mark.parametrize("number", [0, 7, 99, 2**31 - 1, -1])
def test_a_family_that_is_none_is_one_word(number: int) -> None:
    file = File(key="users/x", id="y")
    file.family = FileFamily.ValueType(number)
    assert family_of(file) == ("other" if number else "unspecified")
