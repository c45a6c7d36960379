"""The payload is the same everywhere."""

from __future__ import annotations

import http.client

import pytest

from benchmarks import payload
from benchmarks.sinkserver import Sink


def test_the_block_is_the_one_of_the_sink(sink: Sink) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=60)
    connection.request("GET", "/_sink/pattern")
    assert connection.getresponse().read() == payload.block()
    connection.close()


@pytest.mark.parametrize("size", [0, 1, payload.BLOCK, payload.BLOCK + 1, 3 * payload.BLOCK])
def test_chunks_add_up(size: int) -> None:
    data = b"".join(payload.chunks(size))
    assert data == (payload.block() * 4)[:size]


def test_a_reader_gives_the_same_bytes_however_it_is_read() -> None:
    size = 18 * payload.BLOCK + 5
    reader = payload.Reader(size)
    pieces = [reader.read(limit) for limit in (1, 300_000, 8 * payload.BLOCK)]
    while piece := reader.read(-1):
        pieces.append(piece)
    assert b"".join(pieces) == b"".join(payload.chunks(size))


def test_the_form_surrounds_one_file() -> None:
    before, after = payload.form("a.bin")
    assert before.startswith(f"--{payload.BOUNDARY}\r\n".encode())
    assert b'filename="a.bin"' in before
    assert after == f"\r\n--{payload.BOUNDARY}--\r\n".encode()
