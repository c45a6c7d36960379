"""Forms with several files, in pieces of any size."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.http.exchange import Exchange
from gateway.http.multipart_files import MAX_PASSED_BYTES, FormFiles
from servicekit.auth.principal import Principal
from strongroom.errors import MalformedRequest, SizeLimitExceeded, UnsupportedMediaType, UploadIncomplete

KIND = "multipart/form-data; boundary=b"


def part(name: str, body: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + body + b"\r\n"


FORM = (
    part("note", b"passed over")
    + part("file", b"first\r\n--not", "a.txt")
    + part("file", b"", "empty.txt")
    + part("other", b"not asked for", "b.txt")
    + part("file", b"", "")  # no file was chosen
    + part("file", bytes(range(256)), "c.bin")
    + b"--b--\r\n"
)


def exchange(body: bytes, size: int, kind: str = KIND) -> Exchange:
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    return Exchange(scope, receive, path={}, principal=Principal(""), request_id="1")


async def read(body: bytes, size: int) -> list[tuple[str | None, bytes]]:
    files = FormFiles(exchange(body, size))
    found = []
    while (head := await files.next()) is not None:
        found.append((head.filename, b"".join([chunk async for chunk in files.chunks()])))
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
async def test_each_file_comes_whole(size: int) -> None:
    assert await read(FORM, size) == [
        ("a.txt", b"first\r\n--not"),
        ("empty.txt", b""),
        ("c.bin", bytes(range(256))),
    ]


async def test_a_file_that_nobody_reads_is_passed_over() -> None:
    files = FormFiles(exchange(FORM, 5))
    names = []
    while (head := await files.next()) is not None:
        names.append(head.filename)
    assert names == ["a.txt", "empty.txt", "c.bin"]


@pytest.mark.parametrize("cut", [1, 4, 7, 30, 200])
async def test_without_its_end_it_is_incomplete(cut: int) -> None:
    with pytest.raises((UploadIncomplete, MalformedRequest)):
        await read(FORM[:-cut] if cut > 3 else FORM[: -cut - 4], 16)


async def test_what_is_passed_over_is_bounded() -> None:
    body = part("other", bytes(MAX_PASSED_BYTES + 1), "large") + b"--b--\r\n"
    with pytest.raises(SizeLimitExceeded):
        await read(body, 1 << 20)


async def test_what_is_no_form() -> None:
    with pytest.raises(UnsupportedMediaType):
        FormFiles(exchange(b"", 1, "text/plain"))
    with pytest.raises(MalformedRequest):
        FormFiles(exchange(b"", 1, "multipart/form-data"))
    with pytest.raises(MalformedRequest):
        await read(b"--b\r\nno-disposition: x\r\n\r\nx\r\n--b--\r\n", 10)
