"""The OpenAPI 3.1 document, generated from operations, shapes and ``DOCS`` at the first request for it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from gateway.http.problems import PROBLEM_JSON, Problem
from gateway.operations.docs import ALWAYS, Doc, Success
from gateway.operations.preconditions import CHANGES
from gateway.operations.routing import Operation
from strongroom.errors import REASONS
from strongroom.version import VERSION

OPENAPI_VERSION: Final = "3.1.0"
_REFERENCE: Final = "#/components/schemas/{model}"
_SECURITY: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The user is the `sub` claim. For development: `strongroom token --sub NAME`.",
    }
}
_INTRODUCTION: Final = (
    "File storage for applications: bytes in S3, records in Postgres. Every error is"
    " `application/problem+json` with a `code` for programs. Send `X-Request-Id` to trace"
    " a request through the logs, and `Idempotency-Key` on POSTs that may be repeated."
)


def build_document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document of all operations that are not hidden.

    :raises LookupError: an operation has no ``Doc`` under its name in ``gateway.families.<family>.docs``.
    """
    shown = [operation for operation in operations if not operation.hidden]
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in shown:
        path = re.sub(r":path\}", "}", operation.path)
        paths[path][operation.method.lower()] = _operation(operation, doc_of(operation))
    families = dict.fromkeys(operation.family for operation in shown)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "Strongroom", "version": VERSION, "description": _INTRODUCTION},
        "tags": [_tag(_docs(family)) for family in families],
        "paths": dict(paths),
        "components": {
            "schemas": _models([doc_of(operation) for operation in shown]),
            "securitySchemes": _SECURITY,
        },
    }


def doc_of(operation: Operation) -> Doc:
    """The operation's entry in its family's ``DOCS``."""
    found: Doc = _docs(operation.family).DOCS[operation.name]
    return found


def _operation(operation: Operation, doc: Doc) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [_docs(operation.family).TITLE],
        "summary": doc.summary,
        "security": [] if operation.public else [{"bearer": []}],
        "responses": {
            **{str(status): _success(success) for status, success in doc.success.items()},
            **{str(status): error for status, error in _errors(operation, doc) if status not in doc.success},
        },
    }
    if doc.description:
        found["description"] = doc.description
    if doc.parameters:
        found["parameters"] = list(doc.parameters)
    if isinstance(doc.body, type):
        content = {"application/json": {"schema": _schema(doc.body)}}
        if doc.form is not None:
            content["multipart/form-data"] = {"schema": doc.form}
        found["requestBody"] = {"required": True, "content": content}
    elif doc.body is not None:
        found["requestBody"] = doc.body
    return found


def _success(success: Success) -> dict[str, Any]:
    found: dict[str, Any] = {"description": success.text}
    if success.content:
        found["content"] = {kind: {"schema": _schema(shape)} for kind, shape in success.content.items()}
    if success.headers:
        found["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in success.headers.items()
        }
    return found


def _schema(shape: type | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"$ref": _REFERENCE.format(model=shape.__name__)} if isinstance(shape, type) else shape


def _errors(operation: Operation, doc: Doc) -> Iterator[tuple[int, dict[str, Any]]]:
    """One response per status, naming its codes."""
    by_status: dict[int, list[str]] = defaultdict(list)
    named = (*(() if operation.public else ALWAYS), *doc.errors)
    if operation.method in CHANGES:
        named = (*named, "PRECONDITION_FAILED")
    for name in dict.fromkeys(named):
        by_status[_statuses()[name]].append(name)
    for status, codes in sorted(by_status.items()):
        told = ", ".join(f"`{code}`" for code in codes)
        yield (
            status,
            {
                "description": f"{HTTPStatus(status).phrase}: {told}",
                "content": {PROBLEM_JSON: {"schema": _schema(Problem)}},
            },
        )


def _models(docs: Sequence[Doc]) -> Mapping[str, Any]:
    """The schemas of all models that responses and bodies refer to."""
    shapes = [shape for doc in docs for success in doc.success.values() for shape in success.content.values()]
    models: dict[type, None] = {Problem: None}
    models |= {shape: None for shape in shapes if isinstance(shape, type)}
    bodies = list({doc.body: None for doc in docs if isinstance(doc.body, type)})
    found = _definitions(
        [(model, "serialization") for model in models] + [(body, "validation") for body in bodies]
    )
    for name in _definitions([(body, "validation") for body in bodies]):
        _tell_defaults(found[name])
    return found


def _definitions(models: Sequence[tuple[type, JsonSchemaMode]]) -> dict[str, Any]:
    inputs: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = [
        (model, mode, TypeAdapter(model)) for model, mode in models
    ]
    _, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
    found: dict[str, Any] = definitions["$defs"]
    return found


def _tell_defaults(model: dict[str, Any]) -> None:
    """Move defaults of a body into descriptions: generators of types (openapi-typescript) treat members with
    a ``default`` as always present, and require them.
    """
    for name, member in model.get("properties", {}).items():
        if name in model.get("required", ()) or "default" not in member:
            continue
        default = member.pop("default")
        if default is not None:
            told = f"Default: {json.dumps(default)}."
            member["description"] = f"{member['description']} {told}" if "description" in member else told


@cache
def _statuses() -> Mapping[str, int]:
    return {kind("").reason_name: kind.http_status for kind in REASONS.values()}


def _tag(docs: ModuleType) -> dict[str, str]:
    return {"name": docs.TITLE, "description": docs.TEXT}


def _docs(family: str) -> ModuleType:
    return import_module(f"gateway.families.{family}.docs")
