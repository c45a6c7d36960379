"""JSON bodies."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.http import json_body
from gateway.http.fields import canonical
from gateway.http.json_body import json_field, read_json
from gateway.http.problems import ClientGone
from gateway.http.shapes import Moment
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


@pytest.mark.parametrize(
    "raw",
    [
        b'{"items": [], "more": ' + b"[" * 500_000,
        b'{"a":' * 200_000,
        b'{"items": [{"url": ' + b'[{"a":' * 100_000,
        b'{"items": [' + b"{}," * 300_000 + b"{}]}",
        '{"items": []}'.encode("utf-16"),
        b'{"items": [], "items": [{"url": "a"}]}',
        b'{"items": []} x',
        b'{"items": [], "n": 1e999}',
    ],
)
async def test_what_costs_much_or_says_two_things(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        await read_json(body(raw, step=1 << 16), Batch)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (rb'{"items": [{"url": "a\ud800"}]}', "items[0].url"),
        (rb'{"items": [{"url": "a", "tags": ["b", "\udc00\ud800"]}]}', "items[0].tags[1]"),
        (rb'{"items": [], "more": {"x": "\udfff"}}', "more.x"),
    ],
)
async def test_halves_of_surrogate_pairs(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(body(raw), Batch)
    assert raised.value.field == field


async def test_a_byte_order_mark_is_passed_over() -> None:
    assert (await read_json(body(b'\xef\xbb\xbf{"items": []}'), Batch)).items == []
    assert json_field('\ufeff{"a": 1}', "settings") == '{"a": 1}'


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "settings"),
        ("[" * 10_000, "settings"),
        (r'{"a": ["\ud800"]}', "settings.a[0]"),
        (r'"\ud800"', "settings"),
        (r'["\ud800"]', "settings[0]"),
    ],
)
def test_json_inside_of_a_field(text: str, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        json_field(text, "settings")
    assert raised.value.field == field


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    sums: dict[int, str] = {}
    items: list[Item] = []


def members(name: bytes) -> bytes:
    return b",".join(b'"%s%d": 0' % (name, number) for number in range(20_000))


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"name": "a", "items": [' + b"{}," * 20_000 + b"{}]}", "items[0].url"),
        (b'{"name": "a", "items": [' + b"1," * 20_000 + b"1]}", "items[0]"),
        (b"{%s}" % members(b""), "0"),
        (b'{%s, "name": 1}' % members(b"x"), "x0"),
        (b'{"sums": {%s}}' % members(b"x"), "name"),
        (b'{"name": "a", "items": [' + b'{"url": "a"},' * 100 + b"1," * 9000 + b"1]}", "body"),
    ],
)
async def test_of_very_many_errors_the_first_are_told(
    raw: bytes, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json_body._details
    counts: list[int] = []

    def counted(error: ValidationError) -> Any:
        counts.append(error.error_count())
        return told(error)

    monkeypatch.setattr(json_body, "_details", counted)
    with pytest.raises(InvalidField) as raised:
        await read_json(body(raw, step=65536), Strict)
    assert raised.value.violations[0].field == field
    assert sum(counts) <= json_body.MAX_TOLD
    assert len(raised.value.violations) <= 20


class Named(BaseModel):
    id: Annotated[str, AfterValidator(canonical)]
    ends: Moment


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_times_that_leave_the_calendar_in_utc(moment: str) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(body(b'{"id": "x", "ends": "%s"}' % moment.encode()), Named)
    told = [(one.field, one.message) for one in raised.value.violations]
    assert told == [("id", "must be a UUID"), ("ends", "must lie in the years 1 to 9999 in UTC, too")]


@pytest.mark.parametrize(
    "moment",
    [
        '"x"',
        '""',
        '"tomorrow"',
        '"2033-01-02"',
        '"2033-01-02T03:04:05"',
        '"2033-02-30T00:00:00Z"',
        '"10000-01-01T00:00:00Z"',
        '"1988247845"',
        "1988247845",
        "1e30",
        "true",
        "{}",
    ],
)
async def test_other_times_are_told_how_to_write_them(moment: str) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(body(b'{"name": "a", "when": %s}' % moment.encode()), Said)
    assert raised.value.field == "when"
    assert raised.value.message == (
        "when must be a time with its offset (RFC 3339), such as 2033-01-02T03:04:05Z."
    )


@pytest.mark.parametrize("moment", ["2033-01-02T03:04:05Z", "2033-01-02t05:04:05+02:00"])
async def test_times(moment: str) -> None:
    said = await read_json(body(b'{"name": "a", "when": "%s"}' % moment.encode()), Said)
    assert said.when == datetime(2033, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[]", "The body must be an object."),
        (b"1", "The body must be an object."),
        (b"null", "The body must be an object."),
        (b'{"items": {}}', "items must be a list."),
        (b'{"items": [7]}', "items[0] must be an object."),
    ],
)
async def test_nothing_is_said_of_classes(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(body(raw), Batch)
    assert raised.value.message == message


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=3)
    kind: Literal["a", "b"] = "a"
    age: int = Field(default=1, ge=1, le=9)
    on: bool = False
    all: Literal[True] | None = None
    many: list[str] = Field(default=[], max_length=1)
    when: Moment | None = None
    id: Annotated[str, AfterValidator(canonical)] = "6e2b8c4e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{}", "name is required."),
        (b'{"title": "a"}', "name is required. Not known here: title."),
        (b'{"name": "a", "x": 1}', "x is not known here. Known: name, kind, age, on, all, many, when, id."),
        (b'{"name": 1}', "name must be a text."),
        (b'{"name": ""}', "name must have 1 characters at least."),
        (b'{"name": "abcd"}', "name may have 3 characters at most."),
        (b'{"name": "a", "kind": "c"}', "kind must be one of: 'a' or 'b'."),
        (b'{"name": "a", "age": "x"}', "age must be a whole number."),
        (b'{"name": "a", "age": 1.5}', "age must be a whole number."),
        (b'{"name": "a", "age": 0}', "age must be 1 or more."),
        (b'{"name": "a", "on": 7}', "on must be true or false."),
        (b'{"name": "a", "all": false}', "all must be true."),
        (b'{"name": "a", "many": ["a", "b"]}', "many may have 1 entries at most."),
        (b'{"name": "a", "id": "x"}', "id must be a UUID."),
    ],
)
async def test_rules_are_told_in_our_words(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(body(raw), Said)
    assert raised.value.message == message


async def test_names_that_are_told_are_short_few_and_printable() -> None:
    names = ["x" * 41, "a\u202e", *(f"n{number}" for number in range(9))]
    with pytest.raises(InvalidField) as raised:
        await read_json(body(json.dumps(dict.fromkeys(names, 1)).encode()), Batch)
    assert raised.value.message == "items is required. Not known here: n0, n1, n2, n3, n4."
