"""Specs as stored with their blob."""

from __future__ import annotations

import pytest

from metadata_service.files.families import Placed, file_metadata, slot_of
from metadata_service.files.specs import normal_spec
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_UPLOADS, UploadSpec


def spec(family: str = "file", **fields: object) -> UploadSpec:
    made = UploadSpec(**fields)  # type: ignore[arg-type]
    getattr(made.target, family).SetInParent()
    return made


def test_defaults_are_filled_in_and_the_given_spec_is_left_alone() -> None:
    given = spec(filename="x/a.txt", user_id="")
    made = normal_spec(given, "ada")
    assert (made.filename, made.user_id, made.content_type) == ("a.txt", "ada", "application/octet-stream")
    assert made.target.file.folder == FILE_FOLDER_UPLOADS
    assert made.visibility == file_pb2.VISIBILITY_PRIVATE
    assert given == spec(filename="x/a.txt")
    assert normal_spec(made, "ada") == made


def test_paths_are_composed_and_tags_lose_repeats() -> None:
    at_path = spec("path")
    at_path.target.path.path = "e\u0301"
    assert normal_spec(at_path, "ada").target.path.path == "é"
    media = spec("event_media")
    media.target.event_media.event_id = "0A1B2C3D-0000-4000-8000-000000000000"
    media.target.event_media.tags.extend(["b", "a", "b"])
    made = normal_spec(media, "ada").target.event_media
    assert list(made.tags) == ["b", "a"]
    assert made.event_id == "0a1b2c3d-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "settings",
    [
        "{",
        "nul",
        "[1,]",
        "NaN",
        '{"a": Infinity}',
        "[" * 60_000,
        '{"a":' * 10_000,
        "[1e400]",
        '{"a": "\\ud800"}',
        '{"\\udc00": 1}',
        '{"a": 1, "a": 2}',
        "[" + "1," * 32_000,
    ],
)
def test_settings_have_to_be_json(settings: str) -> None:
    made = spec("generation")
    made.target.generation.settings_json = settings
    with pytest.raises(InvalidField) as caught:
        normal_spec(made, "ada")
    assert caught.value.field == "settings_json"


@pytest.mark.parametrize("settings", ["", "null", ' {"a": [1e300, "\\ud83d\\ude00"]}\n'])
def test_settings_stay_byte_for_byte(settings: str) -> None:
    made = spec("generation")
    made.target.generation.settings_json = settings
    assert normal_spec(made, "ada").target.generation.settings_json == settings


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (spec(metadata={"a": "x\0"}), "spec.metadata"),
        (spec(content_type="a/b\0"), "spec.content_type"),
        (spec(content_type="a/é"), "content_type"),
        (spec(filename="a\0b"), "spec.filename"),
    ],
)
def test_text_that_cannot_be_kept_is_named(bad: UploadSpec, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        normal_spec(bad, "ada")
    assert caught.value.field == field


def test_slots() -> None:
    at_path = spec("path")
    at_path.target.path.path = "a/b"
    assert slot_of(at_path.target) == "path:a/b"
    assert slot_of(spec("profile_picture").target) == "profile"
    assert {slot_of(spec(family).target) for family in ("file", "generation", "event_media", "temp")} == {
        None
    }


def test_only_temporary_files_have_an_end() -> None:
    lasting = spec("temp")
    assert Placed(lasting, "ada").lifetime == 86400
    lasting.target.temp.ttl.FromMilliseconds(1500)
    assert Placed(lasting, "ada").lifetime == 1.5
    assert Placed(spec(), "ada").lifetime is None


def test_promised_metadata_goes_before_the_users() -> None:
    stored = {"user_id": "ada", "strongroom-attempt": "x", "content_type": "a/b"}
    made = file_metadata(spec(metadata={"user_id": "forged", "mine": "1"}), stored)
    assert made == {"user_id": "ada", "content_type": "a/b", "mine": "1"}
