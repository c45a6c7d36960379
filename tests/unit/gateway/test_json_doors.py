"""JSON inside of fields, on every route that has it: the same limits and answers."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from gateway.families.admin.shapes import QuotaBody
from gateway.families.direct.shapes import CompleteBody, DirectBody, PartsBody
from gateway.families.event_media.shapes import MediaEdit
from gateway.families.generations.routes import GenerationForm
from gateway.families.generations.shapes import BatchBody, GenerationBody
from gateway.families.projects.shapes import RollbackBody
from gateway.families.shares.shapes import ShareEditBody
from gateway.families.targets import target_fields, upload_target
from gateway.families.tus.metadata import MetadataFields
from gateway.http.json_body import read_json
from gateway.http.reply import json_reply
from servicekit.json_text import parse_json
from strongroom.errors import InvalidField, MalformedRequest, SizeLimitExceeded, UnsupportedMediaType
from tests.unit.gateway.calls import make_call

MODELS = [GenerationBody, BatchBody, DirectBody, PartsBody, CompleteBody, MediaEdit, RollbackBody]


def by_form(settings: str) -> Any:
    return GenerationForm().target({"type": "text-to-image", "settings": settings})


def by_metadata(settings: str) -> Any:
    pairs = {"family": b"generations", "type": b"text-to-image", "settings": settings.encode()}
    return upload_target(MetadataFields(pairs))


def by_direct(settings: str) -> Any:
    return upload_target({"family": "generations", "type": "text-to-image", "settings": settings})


@pytest.mark.parametrize("door", [by_form, by_metadata, by_direct])
@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ("[" * 10_000, "settings"),
        ('{"a":' * 2_000, "settings"),
        ("[" + "1," * 300_000 + "1]", "settings"),
        ('{"a": 1, "a": 2}', "settings"),
        ("[1e999]", "settings"),
        ("NaN", "settings"),
        ("{} {}", "settings"),
        (r'{"a": ["x\ud800"]}', "settings.a[0]"),
        (r'{"\udc00": 1}', "settings.?"),
    ],
)
def test_settings_that_are_refused(door: Callable[[str], Any], settings: str, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        door(settings)
    assert raised.value.field == field


@pytest.mark.parametrize("door", [by_form, by_metadata, by_direct])
def test_settings_that_are_taken(door: Callable[[str], Any]) -> None:
    assert door('\ufeff{"a": "\\ud83d\\ude00"}').generation.settings_json == '{"a": "\\ud83d\\ude00"}'


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ({"path": "a/b"}, "family"),
        ({"family": None, "path": "a/b"}, "family"),
        ({"Family": "path", "path": "a/b"}, "family"),
        ({"event_id": "0b7c3c1e-0000-4000-8000-000000000000", "title": "x"}, "family"),
        ({"ttl_seconds": 60}, "family"),
        ({"family": "path", "path": ["a/b"]}, "path"),
        ({"family": "path", "path": 5}, "path"),
        ({"family": ["files"]}, "family"),
        ({"family": "files", "folder": {"name": "audio"}}, "folder"),
    ],
)
def test_targets_that_would_be_stored_elsewhere_are_refused(target: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        upload_target(target_fields(target))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("name", "family"), [("path", "path"), ("event_id", "event_media"), ("ttl_seconds", "temp")]
)
def test_metadata_that_forgets_the_family(name: str, family: str) -> None:
    """As in JSON: what is meant for a path is not found there otherwise."""
    with pytest.raises(InvalidField, match=f"family is required beside {name}; set it to {family}") as raised:
        upload_target(MetadataFields({name: b"x", "filename": b"a.txt"}))
    assert raised.value.field == "family"
    pairs = {name: b"x", "family": b"files"}
    assert upload_target(MetadataFields(pairs)).WhichOneof("target") == "file"


def test_targets_that_are_taken() -> None:
    assert target_fields({"folder": "audio", "class_id": None, "x": 1}) == {"folder": "audio", "x": "1"}
    assert target_fields({"family": "temp", "ttl_seconds": 60}) == {"family": "temp", "ttl_seconds": "60"}
    assert target_fields({"family": "event_media", "tags": ["a", "b"]})["tags"] == "a,b"


def call(raw: bytes, **headers: str) -> Any:
    named = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    return make_call(headers=named, messages=[{"type": "http.request", "body": raw, "more_body": False}])


@pytest.mark.parametrize(
    ("model", "raw", "field"),
    [
        (DirectBody, b'{"target": {}, "filename": "a", "content_type": "", "size": true}', "size"),
        (PartsBody, b'{"part_count": false}', "part_count"),
        (QuotaBody, b'{"limit_bytes": true, "limit_files": null}', "limit_bytes"),
        (ShareEditBody, b'{"max_uses": true}', "max_uses"),
    ],
)
async def test_true_is_no_number(model: Any, raw: bytes, field: str) -> None:
    with pytest.raises(InvalidField, match=f"{field} must be a whole number") as raised:
        await read_json(call(raw), model)
    assert raised.value.field == field


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "raw",
    [b"[" * 1_000_000, b'{"a":' * 200_000, b'{"unknown": ' + b'[{"a":' * 12_000, b'{"a": 1, "a": 1}'],
)
async def test_bodies_that_are_refused(model: Any, raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        await read_json(call(raw), model)


@pytest.mark.parametrize("model", MODELS)
async def test_a_lone_surrogate_in_any_body(model: Any) -> None:
    with pytest.raises(InvalidField) as raised:
        await read_json(call(rb'{"title": "ok", "more": {"deep": ["\udfff"]}}'), model)
    assert raised.value.field == "more.deep[0]"


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "compress", "gzip, gzip", "gzip;q=1", "x"])
async def test_codings_that_are_refused(coding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="gzip"):
        await read_json(call(gzip.compress(b'{"title": "a"}'), Content_Encoding=coding), MediaEdit)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
async def test_compressed_bodies(coding: str) -> None:
    body = gzip.compress(b'{"title": "a"}')
    assert (await read_json(call(body, Content_Encoding=coding), MediaEdit)).title == "a"


async def test_compressed_bodies_have_the_limits_of_others() -> None:
    body = gzip.compress(b'{"title": "' + os.urandom(600_000).hex().encode() + b'"}')
    with pytest.raises(SizeLimitExceeded, match="1048576"):
        await read_json(call(body, Content_Encoding="gzip"), MediaEdit, limit=1 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    with pytest.raises(SizeLimitExceeded, match="200 times"):
        await read_json(call(bomb, Content_Encoding="gzip"), MediaEdit, limit=1 << 30)
    with pytest.raises(MalformedRequest, match="gzip"):
        await read_json(call(body[:-1], Content_Encoding="gzip"), GenerationBody, limit=2 << 20)


async def test_a_body_as_it_is() -> None:
    assert (
        await read_json(call(b'\xef\xbb\xbf{"title": "a"}', Content_Encoding="identity"), MediaEdit)
    ).title == "a"


def test_seeds_past_two_to_the_53_stay_exact() -> None:
    text = '{"seed": 9007199254740993, "big": 18446744073709551617}'
    assert json.loads(json_reply(parse_json(text)).body) == {"seed": 2**53 + 1, "big": 2**64 + 1}


def test_metadata_as_uploaders_send_it() -> None:
    """Uppy writes null for unknown values, and the media type under the name type."""
    pairs = {
        "family": b"files",
        "relativePath": b"null",
        "name": b"null",
        "type": b"image/png",
        "filetype": b"null",
    }
    assert upload_target(MetadataFields(pairs)).WhichOneof("target") == "file"
