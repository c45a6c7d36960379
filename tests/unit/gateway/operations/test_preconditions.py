"""Every modifying route evaluates a condition, or refuses the request that has one."""

from __future__ import annotations

import pytest
from starlette.types import Scope

from gateway.operations.preconditions import CHANGES, OF_BYTES, refuse_unjudged
from gateway.operations.routing import Operation
from gateway.surface import all_operations
from strongroom.errors import PreconditionFailed

OPERATIONS = list(all_operations())
UNJUDGED = [
    (operation, name)
    for operation in OPERATIONS
    if operation.method in CHANGES
    for name in OF_BYTES
    if name not in operation.judges
]


def request(name: str) -> Scope:
    """A request with one condition."""
    return {"type": "http", "headers": [(b"host", b"x"), (name.encode(), b'"seen"')]}


@pytest.mark.parametrize(
    ("operation", "name"), UNJUDGED, ids=[f"{operation.name} {name}" for operation, name in UNJUDGED]
)
def test_what_nobody_judges_is_refused(operation: Operation, name: str) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        refuse_unjudged(request(name), operation)
    assert name.title() in refused.value.message


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
def test_what_is_judged_or_means_nothing_passes(operation: Operation) -> None:
    harmless = {"if-modified-since", "if-range", *operation.judges}
    if operation.method not in CHANGES:
        harmless |= set(OF_BYTES)
    for name in harmless:
        refuse_unjudged(request(name), operation)
    assert harmless.isdisjoint(name for unjudging, name in UNJUDGED if unjudging is operation)
