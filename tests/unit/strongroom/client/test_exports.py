"""All parameter and return types of the client can be imported from its package."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import strongroom
from strongroom import client
from strongroom.client import AsyncClient

PACKAGE = Path(strongroom.__file__).parent


def families() -> Iterator[type]:
    """The client, and the objects that are its attributes, such as ``client.projects``."""
    yield AsyncClient
    for member in vars(AsyncClient).values():
        if isinstance(member, cached_property):
            yield typing.get_type_hints(member.func)["return"]


def methods(owner: type) -> Iterator[Any]:
    for name, method in inspect.getmembers(owner, inspect.isfunction):
        if not name.startswith("_"):
            yield method


def values_in(annotation: Any) -> Iterator[type]:
    """The dataclasses in an annotation, and those in the types of their fields."""
    inner = typing.get_args(annotation)
    if not inner and dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        yield annotation
        inner = tuple(typing.get_type_hints(annotation).values())
    for one in inner:
        yield from values_in(one)


def test_every_value_of_a_method_is_exported() -> None:
    spoken_of = {
        value.__name__: f"{owner.__name__}.{method.__name__}"
        for owner in families()
        for method in methods(owner)
        for annotation in typing.get_type_hints(method).values()
        for value in values_in(annotation)
    }
    assert {"StoredFile", "MediaFacts", "ProjectSlug", "AdminAct"} <= spoken_of.keys()
    assert {name: where for name, where in spoken_of.items() if name not in client.__all__} == {}


def test_a_type_checker_knows_the_names_of_the_package_one_by_one() -> None:
    """A ``__getattr__`` that it sees makes ``from strongroom import Clinet`` right."""
    module = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    assert [part.name for part in module.body if isinstance(part, ast.FunctionDef)] == ["__dir__"]
    assert all(getattr(strongroom, name) for name in strongroom.__all__)
