"""The OpenAPI document covers every route, and describes its behaviour."""

from __future__ import annotations

import json
import re
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from openapi_spec_validator import validate
from pydantic import TypeAdapter

from gateway.http.reply import JsonReply
from gateway.operations.openapi import build_document, doc_of
from gateway.operations.routing import Operation
from gateway.surface import all_operations
from strongroom.errors import REASONS

OPERATIONS = list(all_operations())
SHOWN = [operation for operation in OPERATIONS if not operation.hidden]
REASON_NAMES = {kind("").reason_name for kind in REASONS.values()}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build_document(OPERATIONS)


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)
    assert json.loads(json.dumps(document)) == document


def test_a_page_is_limited_by_the_same_word_everywhere() -> None:
    for operation in SHOWN:
        if operation.public:  # the page for guests lists all files of the share
            continue
        named = {one["name"] for one in doc_of(operation).parameters if one["in"] == "query"}
        assert not named & {"page_size", "per_page", "max_results"}, operation.path
        # The list under /api/v1/s3 uses the terms of S3.
        assert named & {"limit", "max_keys"} or "page_token" not in named, operation.path


#: They keep the names of existing applications, and guests send form fields.
LENIENT = {"create_generation", "import_generations", "save_project", "open_share"}


def test_every_body_but_those_of_older_applications_is_refused_with_members_it_has_not(
    document: dict[str, Any],
) -> None:
    lenient, strict = set(), 0
    for operation in SHOWN:
        found = document["paths"][operation.path.replace(":path", "")][operation.method.lower()]
        body = found.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        shape = body["schema"]
        if "$ref" in shape:
            shape = document["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
        if shape.get("additionalProperties") is False:
            strict += 1
        else:
            lenient.add(operation.name)
    assert lenient == LENIENT
    assert strict >= 20


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    routed = {(operation.method.lower(), operation.path.replace(":path", "")) for operation in SHOWN}
    shown = {(method, path) for path, item in document["paths"].items() for method in item}
    assert shown == routed


@pytest.mark.parametrize("operation", SHOWN, ids=lambda operation: operation.name)
def test_each_operation_is_told_in_full(operation: Operation, document: dict[str, Any]) -> None:
    doc = doc_of(operation)
    assert set(doc.errors) <= REASON_NAMES
    found = document["paths"][operation.path.replace(":path", "")][operation.method.lower()]
    names = {parameter["name"] for parameter in found.get("parameters", ()) if parameter["in"] == "path"}
    assert names == set(re.findall(r"\{([a-z_]+)", operation.path))
    if not operation.public:
        assert {"400", "401", "403", "422", "500", "503", "504"} <= set(found["responses"])
        assert "user_id" in {parameter["name"] for parameter in found["parameters"]}
    assert operation.public == (found["security"] == [])


@pytest.mark.parametrize("operation", SHOWN, ids=lambda operation: operation.name)
def test_an_answer_is_told_as_the_shape_that_its_handler_sends(operation: Operation) -> None:
    told = {
        shape
        for status, success in doc_of(operation).success.items()
        for kind, shape in success.content.items()
        if kind == "application/json" and status < 300
    }
    returned = get_type_hints(operation.handler)["return"]
    parts = get_args(returned) if get_origin(returned) in {Union, UnionType} else (returned,)
    sent = {get_args(part)[0] for part in parts if get_origin(part) is JsonReply}
    assert sent == told


def test_every_example_has_its_shape(document: dict[str, Any]) -> None:
    shapes = {
        shape
        for operation in SHOWN
        for success in doc_of(operation).success.values()
        for shape in success.content.values()
        if isinstance(shape, type)
    }
    examples = {shape: document["components"]["schemas"][shape.__name__].get("example") for shape in shapes}
    found = {shape: value for shape, value in examples.items() if value is not None}
    assert len(found) >= 5
    for shape, value in found.items():
        assert TypeAdapter(shape).validate_python(value, strict=True) == value


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    known = set(document["components"]["schemas"])
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert used == known


def test_names_are_unique() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_no_member_of_a_body_looks_as_if_it_were_always_there(document: dict[str, Any]) -> None:
    models = document["components"]["schemas"]
    for name in ("TreeFile", "SaveBody", "GenerationBody", "BatchBody"):
        members = models[name]["properties"]
        assert [member for member in members if "default" in members[member]] == [], name
    assert models["TreeFile"]["properties"]["encoding"]["description"] == 'Default: "utf-8".'
    assert models["TreeFile"]["required"] == ["path", "content"]


def test_every_json_body_has_an_example_that_it_accepts(document: dict[str, Any]) -> None:
    bodies = {doc.body for doc in map(doc_of, SHOWN) if isinstance(doc.body, type)}
    assert len(bodies) >= 5
    for body in bodies:
        body.model_validate(document["components"]["schemas"][body.__name__]["example"])
