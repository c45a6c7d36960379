"""Refusals under If-Match name revisions, on every route with one; those of a target pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.families.library import routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import GET_FILE
from strongroom.errors import PreconditionFailed
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import GetFileResponse
from tests.unit.gateway.calls import make_call

ID = "7e57d004-2b97-4e7a-b45f-5387367791cd"
TARGET = {"target": {"family": "path", "path": "b.txt"}}
SEEN = {"If-Match": f'"{ID}-3"', "Content-Type": "application/json"}
NONE = {"Content-Type": "application/json"}


async def refusal(
    monkeypatch: pytest.MonkeyPatch,
    door: Any,
    body: object,
    headers: dict[str, str],
    metadata: dict[str, str],
) -> PreconditionFailed:
    """The response if the service refuses with ``metadata``."""

    async def ask(_self: Call, method: Any, _request: object) -> Any:
        if method is GET_FILE:
            return GetFileResponse(file=File(id=ID, key="uploads/alice/a", generation=3))
        raise PreconditionFailed("The file is at generation 4 and not at 3.", metadata=metadata)

    monkeypatch.setattr(Call, "ask", ask)
    call = make_call(headers=headers, messages=[{"type": "http.request", "body": json.dumps(body).encode()}])
    call.path = {"file": ID}
    with pytest.raises(PreconditionFailed) as refused:
        await door(call)
    return refused.value


@pytest.mark.parametrize(
    ("door", "body", "of"),
    [
        (routes.move_library_file, TARGET, {"of": "source"}),
        (routes.edit_library_file, {"filename": "b"}, {}),
        (routes.delete_library_file, {}, {}),
    ],
)
async def test_that_of_the_file_itself(
    monkeypatch: pytest.MonkeyPatch, door: Any, body: object, of: dict[str, str]
) -> None:
    error = await refusal(monkeypatch, door, body, SEEN, {"actual": "4"} | of)
    assert "revision that If-Match names" in str(error)
    assert error.metadata == {"actual": f"{ID}-4"}


async def test_that_of_a_moves_target_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    error = await refusal(monkeypatch, routes.move_library_file, TARGET, SEEN, {"actual": "4"})
    assert "generation 4" in str(error)
    assert error.metadata == {"actual": "4"}


async def test_without_if_match_nobody_speaks_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = {"actual": "4", "of": "source"}
    error = await refusal(monkeypatch, routes.move_library_file, TARGET, NONE, metadata)
    assert "If-Match" not in str(error)
    assert error.metadata == {"actual": f"{ID}-4"}
