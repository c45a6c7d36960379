"""JSON bodies."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from gateway.json_body import read_json
from gateway.problems import ClientGone
from strongroom.errors import InvalidField, MalformedRequest, SizeLimitExceeded, UnsupportedMediaType
from tests.unit.gateway.calls import make_call


class Item(BaseModel):
    url: str = Field(max_length=10)
    tags: list[str] = []


class Batch(BaseModel):
    items: list[Item] = Field(max_length=2)


def body(raw: bytes, content_type: str = "application/json", step: int = 5) -> Any:
    pieces = [raw[start : start + step] for start in range(0, len(raw), step)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    return make_call(headers={"Content-Type": content_type}, messages=messages)


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"]
)
async def test_a_body(kind: str) -> None:
    batch = await read_json(body('{"items": [{"url": "ü"}]}'.encode(), kind), Batch)
    assert batch.items[0].url == "ü"


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "json"])
async def test_other_types(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read_json(body(b"{}", kind), Batch)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"1" * 5000, b"{} {}"])
async def test_no_json(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        await read_json(body(raw, step=4096), Batch)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"[]", "body"),
        (b"{}", "items"),
        (b'{"items": [{"url": "01234567890"}]}', "items[0].url"),
        (b'{"items": [{"url": "a"}, {"url": "b", "tags": [1]}]}', "items[1].tags[0]"),
        (b'{"items": [{"url":"a"},{"url":"a"},{"url":"a"}]}', "items"),
    ],
)
async def test_fields_are_named(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(body(raw), Batch)
    assert raised.value.field == field
    assert raised.value.violations[0].field == field


async def test_limit_and_leaving() -> None:
    with pytest.raises(SizeLimitExceeded):
        await read_json(body(b"x" * 100), Batch, limit=50)
    with pytest.raises(ClientGone):
        await read_json(make_call(headers={"Content-Type": "application/json"}), Batch)
