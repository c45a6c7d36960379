"""The routes, one module per family. A new family adds its module here."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.routes import direct, docs, event_media, files, generations, notifications, projects, system, tus
from gateway.routing import Operation


def all_operations() -> Iterator[Operation]:
    """Every operation, in the order in which templates are tried."""
    for family in (files, generations, event_media, projects, direct, tus, notifications, system, docs):
        yield from family.routes
    yield from tus.public_routes
