"""Shapes of answers: TypedDicts. mypy checks what handlers send, and the OpenAPI document says the same.

At run time an answer is a plain dict; pydantic looks at the shapes only when the document is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, with_config

Shape = TypeVar("Shape", bound=type)


def example(value: object) -> Callable[[Shape], Shape]:
    """Give a shape its example. Written as ``EXAMPLE: TheShape = {…}``, so that mypy checks it, too."""
    return with_config(ConfigDict(json_schema_extra={"example": cast("Any", value)}))
