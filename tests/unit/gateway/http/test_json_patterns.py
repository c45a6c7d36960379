"""The rules of patterns in JSON bodies are described in the words of gRPC."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import gateway.families
from gateway.families.library.shapes import FileEdit
from gateway.families.projects.shapes import SaveBody
from gateway.families.shares.shapes import ShareBody
from gateway.families.webhooks.shapes import ReplayBody
from gateway.http.json_body import read_json
from servicekit.patterns import WORDS
from strongroom.errors import InvalidField
from tests.unit.gateway.calls import make_call


@pytest.mark.parametrize(
    ("model", "sent", "field", "said"),
    [
        (ShareBody, {"project": "My Project"}, "project", "such as my-project"),
        (ShareBody, {"project": ""}, "project", "1 to 128"),
        (SaveBody, {"slug": "Ünïcode"}, "slug", "first one a letter"),
        (ReplayBody, {"delivery_id": "42"}, "delivery_id", "webhook-id"),
        (FileEdit, {"metadata": {"Camera Model": "x"}}, "metadata.Camera Model", "camera.model"),
        (FileEdit, {"metadata": {"a" * 65: "x"}}, f"metadata.{'a' * 65}", "1 to 64"),
    ],
)
async def test_a_refused_text_is_told_what_is_allowed(
    model: type[BaseModel], sent: Any, field: str, said: str
) -> None:
    body = {"type": "http.request", "body": json.dumps(sent).encode()}
    with pytest.raises(InvalidField) as raised:
        await read_json(make_call(headers={"Content-Type": "application/json"}, messages=[body]), model)
    found = next(one for one in raised.value.violations if one.field.startswith(field))
    assert found.rule == "string_pattern_mismatch"
    assert said in found.message
    assert "pattern" not in raised.value.message
    assert "[" not in found.message


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for name, inner in schema.items():
            if name == "patternProperties":
                yield from inner
            yield from patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from patterns(inner)


def test_each_pattern_of_a_body_has_its_words() -> None:
    found: set[str] = set()
    for family in pkgutil.iter_modules(gateway.families.__path__):
        if not family.ispkg:
            continue
        package = importlib.import_module(f"gateway.families.{family.name}")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("shapes"):
                importlib.import_module(f"{package.__name__}.{module.name}")
    for shape in BaseModel.__subclasses__():
        if shape.__module__.startswith("gateway.families."):
            found.update(*(patterns(one.model_json_schema()) for one in (shape, *shape.__subclasses__())))
    assert found
    assert found <= set(WORDS)
