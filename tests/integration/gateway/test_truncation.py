"""Bodies that end early store nothing."""

from __future__ import annotations

import pytest

from tests.integration.gateway.harness import Running, form
from tests.integration.gateway.raw import connect, head, until

UPLOAD = "/api/v1/s3/upload"
MIB = 1024 * 1024


def nothing_is_left(gateway: Running) -> bool:
    return not gateway.backends.store.files and not gateway.backends.storage.faults.open_streams


async def test_a_body_cut_at_every_byte(gateway: Running) -> None:
    body, headers = form(b"content", before={"folder": "uploads"}, after={"x": "y"})
    kind = headers["Content-Type"]
    for length in range(len(body) - 2):  # the last line break is optional
        response = await gateway.client.post(UPLOAD, content=body[:length], headers={"Content-Type": kind})
        assert response.status_code in {400, 422}, length
        assert response.json()["code"] in {"UPLOAD_INCOMPLETE", "MALFORMED_REQUEST"}
    assert nothing_is_left(gateway)
    assert (await gateway.client.post(UPLOAD, content=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("size", [7, 3 * MIB])
async def test_a_form_without_its_final_boundary(gateway: Running, size: int) -> None:
    body, headers = form(bytes(size), before={"folder": "uploads"}, final=False)
    response = await gateway.client.post(UPLOAD, content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "UPLOAD_INCOMPLETE")
    await until(lambda: nothing_is_left(gateway), "the upload was not given up")


@pytest.mark.parametrize("how", ["leave", "reset"])
@pytest.mark.parametrize("size", [1000, 3 * MIB])
async def test_a_connection_that_ends_before_the_length_it_announced(
    gateway: Running, size: int, how: str
) -> None:
    body, headers = form(bytes(size), before={"folder": "uploads"})
    announced = head("POST", UPLOAD, **headers, Content_Length=len(body) + 10)
    async with connect(gateway) as connection:
        await connection.send(announced + body)  # even the final boundary is there
        if size > MIB:
            await until(lambda: gateway.backends.storage.faults.open_streams == 1, "the upload did not begin")
        getattr(connection, how)()
    await until(lambda: nothing_is_left(gateway), "the upload was not given up")


@pytest.mark.parametrize("size", [1000, 3 * MIB])
async def test_a_chunked_body_without_its_last_chunk(gateway: Running, size: int) -> None:
    body, headers = form(bytes(size), before={"folder": "uploads"})
    async with connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Transfer_Encoding="chunked"))
        await connection.send(b"%x\r\n" % len(body) + body + b"\r\n")
        if size > MIB:
            await until(lambda: gateway.backends.storage.faults.open_streams == 1, "the upload did not begin")
    await until(lambda: nothing_is_left(gateway), "the upload was not given up")


async def test_a_chunked_body_with_broken_framing(gateway: Running) -> None:
    body, headers = form(bytes(3 * MIB), before={"folder": "uploads"})
    async with connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Transfer_Encoding="chunked"))
        await connection.send(b"%x\r\n" % len(body) + body + b"\r\nXYZ\r\n")
        answer = await connection.answer()
    assert (answer.status, answer.problem["code"]) == (400, "MALFORMED_REQUEST")
    await until(lambda: nothing_is_left(gateway), "the upload was not given up")
