"""Write ``clients/typescript/src/schema.ts`` from the OpenAPI document: shapes, operations, codes.

``--check`` only reports whether the file is current. A test runs it, so the file can't become stale.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.operations.openapi import build_document
from gateway.surface import all_operations
from strongroom.type.v1.error_reason_pb2 import ErrorReason

TARGET: Final = Path(__file__).resolve().parents[1] / "clients" / "typescript" / "src" / "schema.ts"
HEAD: Final = "// Written by scripts/typescript_types.py from the OpenAPI document: `make typescript`.\n"
_PLAIN: Final = {"integer": "number", **{name: name for name in ("string", "number", "boolean", "null")}}
_NAME: Final = re.compile(r"[A-Za-z_$][\w$]*")
_VERBS: Final = ("get", "put", "post", "patch", "delete", "head", "options")
Schema = Mapping[str, Any]


def written() -> str:
    """The whole file."""
    document = json.loads(json.dumps(build_document(all_operations())))
    parts = [HEAD, *_shapes(document["components"]["schemas"]), *_operations(document), _codes()]
    return "\n".join(parts)


def _shapes(schemas: Mapping[str, Schema]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"{_comment(schema, '')}export interface {name} {_type(schema, '')}\n"


def _type(schema: Schema, indent: str) -> str:
    """A schema as a type; without information: unknown."""
    match schema:
        case {"$ref": str(name)}:
            found = name.rpartition("/")[2]
        case {"const": value}:
            found = json.dumps(value)
        case {"enum": list(values)}:
            found = " | ".join(json.dumps(value) for value in values)
        case {"anyOf": list(kinds)}:
            found = " | ".join(dict.fromkeys(_type(kind, indent) for kind in kinds))
        case {"type": "array"}:
            found = f"Array<{_type(schema.get('items', {}), indent)}>"
        case {"type": "object"}:
            found = _object(schema, indent)
        case {"contentMediaType": _}:
            found = "Blob"
        case _:
            found = _PLAIN.get(str(schema.get("type")), "unknown")
    return found


def _object(schema: Schema, indent: str) -> str:
    if "properties" not in schema:
        named = next(iter(schema.get("patternProperties", {}).values()), True)
        values = schema.get("additionalProperties", named)
        return f"Record<string, {_type(values, indent) if isinstance(values, dict) else 'unknown'}>"
    deeper, required = f"{indent}  ", set(schema.get("required", ()))
    members = list[str]()
    for name, member in schema["properties"].items():
        key = _key(name) + ("" if name in required else "?")
        members.append(f"{_comment(member, deeper)}{deeper}{key}: {_type(member, deeper)};")
    return "{\n" + "\n".join(members) + f"\n{indent}}}"


def _comment(schema: Schema, indent: str) -> str:
    text = str(schema.get("description", "")).replace("*/", "* /")
    return f"{indent}/** {text} */\n" if text else ""


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _operations(document: Schema) -> Iterator[str]:
    types, routes = list[str](), list[str]()
    for path, verbs in document["paths"].items():
        for verb in _VERBS:
            if verb not in verbs:
                continue
            operation = verbs[verb]
            summary = _comment({"description": operation.get("summary", "")}, "  ")
            types.append(f"{summary}{_operation(operation)}")
            route = ", ".join(json.dumps(text) for text in (verb.upper(), path, _reply(operation)[1]))
            routes.append(f"  {operation['operationId']}: [{route}],")
    yield "export interface Operations {\n" + "\n".join(types) + "\n}\n"
    yield "/** Method, path, and what the answer is. */\nexport const ROUTES = {"
    yield "\n".join(routes) + "\n} as const;\n"


def _operation(operation: Schema) -> str:
    places = {"path": list[str](), "query": list[str]()}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] in places:
            optional = "" if parameter.get("required") else "?"
            name = parameter["name"]
            schema = parameter.get("schema", {})
            key = "[setting: `settings.${string}`]" if "{" in name else f"{_key(name)}{optional}"
            value = "string | number | boolean | undefined" if "{" in name else _type(schema, "")
            places[parameter["in"]].append(f"{key}: {value}")
    members = [f"{place}: {{ {'; '.join(found)} }}" for place, found in places.items()]
    members += [f"body: {_body(operation)}", f"reply: {_reply(operation)[0]}"]
    return f"  {operation['operationId']}: {{ {'; '.join(members)} }};"


def _body(operation: Schema) -> str:
    """The body's type: JSON, else a form's fields, else bytes. A form may be sent instead of JSON if both are
    taken.
    """
    content = operation.get("requestBody", {}).get("content", {})
    json, form = (content.get(kind) for kind in ("application/json", "multipart/form-data"))
    if json is None and form is None:
        return "BodyInit" if content else "undefined"
    body = _type((json or form).get("schema", {}), "    ")
    return f"{body} | FormData" if json and form else body


def _reply(operation: Schema) -> tuple[str, str]:
    """The type of a successful answer, and whether it is ``json``, ``bytes`` or ``nothing``."""
    good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
    content = good[0].get("content", {}) if good else {}
    if "application/json" in content:
        return _type(content["application/json"].get("schema", {}), "    "), "json"
    return ("Response", "bytes") if content else ("undefined", "nothing")


def _codes() -> str:
    names = sorted(name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items() if number)
    lines = "".join(f'  "{name}",\n' for name in names)
    head = "/** What `code` of a problem can be. */\nexport const CODES = [\n"
    return f"{head}{lines}] as const;\nexport type Code = (typeof CODES)[number];\n"


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when it is stale")
    options = parser.parse_args()
    text = written()
    if options.check:
        if not TARGET.exists() or TARGET.read_text("utf-8") != text:
            sys.stderr.write(f"{TARGET.name} is stale: run `make typescript` and commit the result\n")
            return 1
        return 0
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
