"""The TypeScript client's types are those of the OpenAPI document of this checkout."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.operations.openapi import build_document
from gateway.surface import all_operations
from scripts import typescript_types
from strongroom.type.v1.error_reason_pb2 import ErrorReason

CLIENT = typescript_types.TARGET.parents[1]


def test_the_types_are_up_to_date() -> None:
    assert typescript_types.TARGET.read_text("utf-8") == typescript_types.written(), "run `make typescript`"


def test_every_operation_and_code_has_a_type() -> None:
    text = typescript_types.written()
    routes = dict(re.findall(r'^  (\w+): \["[A-Z]+", "([^"]+)"', text, re.MULTILINE))
    paths = build_document(all_operations())["paths"]
    named = [operation["operationId"] for verbs in paths.values() for operation in verbs.values()]
    assert sorted(routes) == sorted(named)
    assert len(named) > 60
    for name, number in ErrorReason.items():
        assert (f'"{name.removeprefix("ERROR_REASON_")}"' in text) == bool(number)


def test_the_package_asks_for_one_dependency_and_names_no_registry() -> None:
    about = json.loads((CLIENT / "package.json").read_text("utf-8"))
    assert set(about["dependencies"]) == {"tus-js-client"}
    lock = json.loads((CLIENT / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert lock["packages"][""]["dependencies"] == about["dependencies"]


def test_methods_name_operations() -> None:
    """A part of the compiler's check, which needs npm."""
    source = "".join(path.read_text("utf-8") for path in sorted(Path(CLIENT, "src").glob("*.ts")))
    named = set(re.findall(r'\bcall\(\s*"(\w+)"', source))
    named |= set(re.findall(r'sendForm\(this\.transport, "(\w+)"', source))
    assert len(named) > 50
    assert named <= set(re.findall(r'^  (\w+): \["', typescript_types.written(), re.MULTILINE))


def test_every_operation_has_a_method() -> None:
    """Which the package's own test asks one by one; tus-js-client speaks tus."""
    source = "".join(
        path.read_text("utf-8")
        for path in sorted(Path(CLIENT, "src").glob("*.ts"))
        if path.name != "schema.ts"
    )
    paths = build_document(all_operations())["paths"]
    named = [operation["operationId"] for verbs in paths.values() for operation in verbs.values()]
    assert [one for one in named if f'"{one}"' not in source and not one.startswith("tus_")] == []


def test_every_method_takes_all_of_its_operation() -> None:
    """The parameters of its query, and the options of a call: an idempotency key, a signal, headers."""
    calls = "".join(
        re.sub(r"\n +(?=this\.call|call\(|[?:] )", " ", path.read_text("utf-8"))
        for path in sorted(Path(CLIENT, "src").glob("*.ts"))
        if path.name not in {"schema.ts", "uploads.ts"}  # forms, and the steps of direct uploads
    )
    asked = dict(re.findall(r'[.\s]#?call\("(\w+)", (.*?)\)[,;.)]?\n', calls))
    assert len(asked) > 60
    own = {"open_share", "read_share"}  # parts of what a guest does
    assert [name for name, rest in asked.items() if name not in own and "options" not in rest] == []
    queries = {
        operation["operationId"]: {
            one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"
        }
        for verbs in build_document(all_operations())["paths"].values()
        for operation in verbs.values()
    }
    assert [name for name, rest in asked.items() if queries[name] - {"user_id"} and "query" not in rest] == []


def test_what_takes_json_or_a_form_has_the_fields_of_the_json() -> None:
    (patch,) = re.findall(r"  patch_project: .*body: (.*); reply", typescript_types.written())
    assert patch == "PatchBody | FormData"
