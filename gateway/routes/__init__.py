"""The routes, one module per family. A new family adds its module here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.routes import (
    direct,
    docs,
    event_media,
    files,
    generations,
    notifications,
    previews,
    projects,
    system,
    tus,
)
from gateway.routing import Operation

_FAMILIES: Final = (
    files, generations, event_media, projects, previews, direct, tus, notifications, system, docs
)  # fmt: skip


def all_operations() -> Iterator[Operation]:
    """Every operation, in the order in which templates are tried."""
    for family in _FAMILIES:
        yield from family.routes
    yield from notifications.socket_routes
    yield from tus.public_routes
