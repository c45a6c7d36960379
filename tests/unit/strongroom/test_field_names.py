"""Errors use callers' names for fields."""

from __future__ import annotations

import pytest

from gateway.http.problems import REST_NAMES
from strongroom.errors import FileNotFound, InvalidField, Violation
from strongroom.field_names import PYTHON_NAMES, callers_name, with_callers_names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("spec.target.event_media.description", "description"),
        ("spec.target.event_media.tags[2]", "tags[2]"),
        ("spec.target.generation.prompt", "prompt"),
        ("spec.target.generation.settings_json", "settings"),
        ("spec.target.file.class_id", "class_id"),
        ("spec.target.path.path", "path"),
        ("spec.target.temp.ttl", "ttl_seconds"),
        ("spec.target", "target"),
        ("spec.slug", "slug"),
        ("spec.metadata[a.b]", "metadata[a.b]"),
        ("filter.settings[a.filter.path]", "settings[a.filter.path]"),
        ("items[0].filter.settings[]. spec.]", "items[0].settings[]. spec.]"),
        ("spec.request_id", "Idempotency-Key"),
        ("items[3].spec.target.generation.prompt", "items[3].prompt"),
        ("project_file.path", "path"),
        ("parts[1].etag", "parts[1].etag"),
        ("scope.drop.content_types[0]", "drop.content_types[0]"),
        ("scope.key_prefix", "prefix"),
        ("expire_time", "expires_at"),
        ("scope", "scope"),
        ("file_id", "id"),
        ("files[0].content", "files[0].content"),
        ("description", "description"),
        ("body", "body"),
    ],
)
def test_names(path: str, name: str) -> None:
    assert callers_name(path, REST_NAMES) == name


def test_python_has_its_own() -> None:
    assert callers_name("spec.target.generation.settings_json", PYTHON_NAMES) == "settings"
    assert callers_name("spec.request_id", PYTHON_NAMES) == "request_id"


def test_an_error_is_renamed_everywhere() -> None:
    paths = ("spec.target.event_media.title", "spec.target.event_media.title_more", "spec.target")
    error = InvalidField(
        f"{paths[0]}: must be at most 255 characters; see {paths[1]}.",
        field=paths[0],
        rule="string.max_len",
        violations=[Violation(path, "r", f"{path} holds a NUL character.") for path in paths],
    )
    found = with_callers_names(error, REST_NAMES)
    assert found is error
    assert found.message == str(found) == "title: must be at most 255 characters; see title_more."
    assert found.metadata == {"field": "title", "rule": "string.max_len"}
    assert [(one.field, one.message) for one in found.violations] == [
        ("title", "title holds a NUL character."),
        ("title_more", "title_more holds a NUL character."),
        ("target", "target holds a NUL character."),
    ]


def test_other_errors_stay() -> None:
    error = FileNotFound("There is no file with this key: spec.target.", metadata={"key": "spec.target.x"})
    assert with_callers_names(error, REST_NAMES).message == "There is no file with this key: spec.target."
