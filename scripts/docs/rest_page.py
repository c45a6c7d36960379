"""The REST reference: operations and shapes, from the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.operations.openapi import build_document
from gateway.surface import all_operations
from scripts.docs.text import code, page, prose, table

INTRODUCTION: Final = """Generated from the OpenAPI document, which a running gateway shows at
`/openapi.json`, and at `/docs` to try requests. Rules for every route (tokens, repeats, lists, caching) are
in [REST: quick reference](../rest.md)."""
SHAPES: Final = "rest-shapes.md"
_VERBS: Final = ("get", "head", "put", "post", "patch", "delete", "options")
Node = Mapping[str, Any]


def pages() -> dict[str, str]:
    """The pages as Markdown, by file name: the operations, and the shapes of bodies and answers."""
    document: Node = json.loads(json.dumps(build_document(all_operations())))
    shapes = (
        part for name, schema in document["components"]["schemas"].items() for part in _shape(name, schema)
    )
    return {
        "rest.md": page("REST", INTRODUCTION, _families(document)),
        SHAPES: page("REST: shapes", "Shapes of bodies and responses of [REST](rest.md).", shapes),
    }


def _families(document: Node) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name']}"
        yield prose(tag.get("description", ""))
        for path, item in document["paths"].items():
            for verb in _VERBS:
                if tag["name"] in item.get(verb, {}).get("tags", ()):
                    yield from _operation(verb.upper(), path, item[verb])


def _operation(verb: str, path: str, operation: Node) -> Iterator[str]:
    yield f"### {verb} {path} {{ #{operation['operationId']} }}"
    who = "" if operation.get("security", True) else " No token."
    yield f"{prose(operation['summary'])}{'' if operation['summary'].endswith('?') else '.'}{who}"
    said = operation.get("description", "")
    yield "" if said.rstrip(".") == operation["summary"] else prose(said)
    parameters = [
        (
            code(one["name"]),
            one["in"] + (", required" if one.get("required") else ""),
            _type(one["schema"]),
            one.get("description", "") or one["schema"].get("description", ""),
        )
        for one in operation.get("parameters", ())
        if "schema" in one
    ]
    yield table(("parameter", "in", "type", "meaning"), parameters)
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body, `{kind}`: {_type(body.get('schema', {}))}"
        yield _fields(body.get("schema", {}))
    yield table(("status", "meaning", "answer"), _answers(operation))
    problems = ", ".join(status for status in operation["responses"] if status[:1] in "45")
    yield f"Problems: {problems} ([errors](errors.md))." if problems else ""


def _answers(operation: Node) -> Iterator[tuple[str, str, str]]:
    for status, answer in operation["responses"].items():
        if status[:1] in "45":
            continue
        kinds = [
            f"`{kind}`: {_type(body.get('schema', {}))}" for kind, body in answer.get("content", {}).items()
        ]
        yield status, answer.get("description", ""), "; ".join(kinds)


def _shape(name: str, schema: Node) -> Iterator[str]:
    yield f"## {name}"
    yield prose(schema.get("description", ""))
    yield _fields(schema) or _type(schema)


def _fields(schema: Node) -> str:
    required = schema.get("required", ())
    rows = [
        (code(name), "yes" if name in required else "", _type(one), one.get("description", ""))
        for name, one in schema.get("properties", {}).items()
    ]
    return table(("field", "required", "type", "meaning"), rows)


def _type(schema: Node) -> str:
    match schema:
        case {"$ref": str(name)}:
            short = name.rpartition("/")[2]
            found = f"[{short}]({SHAPES}#{short.lower()})"
        case {"const": value}:
            found = code(json.dumps(value))
        case {"enum": list(values)}:
            found = ", ".join(code(json.dumps(value)) for value in values)
        case {"anyOf": list(kinds)} | {"oneOf": list(kinds)}:
            found = " or ".join(dict.fromkeys(_type(kind) for kind in kinds))
        case {"type": "array"}:
            found = f"array of {_type(schema.get('items', {}))}"
        case {"type": "object", "additionalProperties": dict(values)}:
            found = f"object of {_type(values)}"
        case {"contentMediaType": kind}:
            found = f"bytes, {kind}"
        case {"type": str(name), "format": str(kind)}:
            found = f"{name} ({kind})"
        case _:
            found = str(schema.get("type", "anything"))
    return found
