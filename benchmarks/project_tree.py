"""A project tree of a given size as the JSON of a save, generated while it is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import payload

#: One in BINARY files is binary, and sent as base64; one in CHANGED differs in each edition.
BINARY = 10
CHANGED = 100
_FOLDER = 50


@dataclass(frozen=True)
class Shape:
    """`files` files of `size` bytes each."""

    files: int
    size: int


#: The largest project that default settings allow.
WHOLE = Shape(files=5_000, size=(100 << 20) // 5_000)


def content(number: int, shape: Shape, edition: int) -> bytes:
    """A file's bytes. All files differ; most are text, which compresses by a quarter."""
    mark = edition if number % CHANGED == 0 else 1
    head = b"%06d of edition %d\n" % (number, mark)
    at = number * 977 % (payload.BLOCK // 2)
    raw = payload.block()[at : at + shape.size]
    body = raw if number % BINARY == 0 else base64.b64encode(raw)
    return (head + body + bytes(shape.size))[: shape.size]


def as_json(slug: str, shape: Shape, edition: int) -> Iterator[bytes]:
    """The body of `POST /api/projects/save`, one piece per file."""
    yield json.dumps({"name": slug, "slug": slug}).encode()[:-1] + b', "files": ['
    for number in range(shape.files):
        data = content(number, shape, edition)
        binary = number % BINARY == 0
        file = {
            "path": f"src/part{number // _FOLDER:03}/file{number:05}.{'bin' if binary else 'txt'}",
            "content": base64.b64encode(data).decode() if binary else data.decode(),
            "encoding": "base64" if binary else "utf-8",
        }
        yield (b", " if number else b"") + json.dumps(file).encode()
    yield b"]}"
