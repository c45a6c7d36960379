"""The form field `visibility` of every upload."""

from __future__ import annotations

from strongroom.metadata.v1.file_pb2 import VISIBILITY_PUBLIC
from tests.integration.gateway.harness import Running
from tests.integration.gateway.test_upload import MIB, post


def visibilities(running: Running) -> list[bool]:
    return [file.visibility == VISIBILITY_PUBLIC for file, _ in running.backends.store.files.values()]


async def test_it_travels_before_and_after_a_small_file(gateway: Running) -> None:
    for order in ("before", "after"):
        response = await post(gateway, b"x", **{order: {"visibility": "public"}})
        assert response.status_code == 201, response.text
    assert (await post(gateway, b"x", before={"visibility": "private"})).status_code == 201
    assert visibilities(gateway) == [True, True, False]


async def test_other_words_are_refused(gateway: Running) -> None:
    response = await post(gateway, b"x", before={"visibility": "secret"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "visibility")
    assert visibilities(gateway) == []


async def test_of_a_large_file_it_comes_first(gateway: Running) -> None:
    content = bytes(3 * MIB)
    late = await post(gateway, content, after={"visibility": "public"})
    assert (late.status_code, late.json()["code"]) == (400, "MALFORMED_REQUEST")
    assert (await post(gateway, content, before={"visibility": "public"})).status_code == 201
    assert visibilities(gateway) == [True]
