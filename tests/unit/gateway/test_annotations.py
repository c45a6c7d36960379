"""Every ``google.api.http`` annotation in the protos is a route of the gateway."""

from __future__ import annotations

import re

import pytest
from google.api import annotations_pb2

from gateway.surface import all_operations
from strongroom.metadata.v1 import (
    event_media_service_pb2,
    file_service_pb2,
    generation_service_pb2,
    project_service_pb2,
    share_service_pb2,
    usage_service_pb2,
    webhook_service_pb2,
)
from strongroom.storage.v1 import storage_service_pb2

FILES = (
    storage_service_pb2,
    file_service_pb2,
    generation_service_pb2,
    event_media_service_pb2,
    project_service_pb2,
    share_service_pb2,
    usage_service_pb2,
    webhook_service_pb2,
)


def _annotated() -> list[tuple[str, str, str]]:
    """(RPC, verb, path) of each annotation."""
    found = []
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                rule = method.GetOptions().Extensions[annotations_pb2.http]
                verb = rule.WhichOneof("pattern")
                if verb:
                    found.append((method.full_name, verb.upper(), getattr(rule, verb)))
    return found


def _shape(path: str) -> str:
    """A path without the names of its parameters: ``{key=**}`` and ``{key:path}`` are both ``{**}``."""
    return re.sub(r"\{[^}]*(=\*\*|:path)\}", "{**}", re.sub(r"\{[a-z_]+\}", "{*}", path))


ROUTES = {(operation.method, _shape(operation.path)) for operation in all_operations()}


def test_there_are_annotations() -> None:
    assert len(_annotated()) >= 4


@pytest.mark.parametrize(("rpc", "verb", "path"), _annotated(), ids=lambda value: str(value))
def test_an_annotation_is_a_route(rpc: str, verb: str, path: str) -> None:
    assert (verb, _shape(path)) in ROUTES, f"{rpc} says {verb} {path}"
