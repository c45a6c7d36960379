"""The REST API: all operations of all families. A new family adds its routes here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.families.admin import routes as admin
from gateway.families.console import routes as console
from gateway.families.direct import routes as direct
from gateway.families.event_media import routes as event_media
from gateway.families.files import routes as files
from gateway.families.generations import routes as generations
from gateway.families.library import routes as library
from gateway.families.links import routes as links
from gateway.families.notifications import routes as notifications
from gateway.families.previews import routes as previews
from gateway.families.projects import routes as projects
from gateway.families.reference.routes import routes_about
from gateway.families.retention import routes as retention
from gateway.families.shares import guest_routes as guests
from gateway.families.shares import routes as shares
from gateway.families.system import routes as system
from gateway.families.tus import routes as tus
from gateway.families.webhooks import routes as webhooks
from gateway.operations.routing import Operation

_ROUTES: Final = (
    files.routes,
    generations.routes,
    event_media.routes,
    projects.routes,
    previews.routes,
    links.open_routes,
    links.routes,
    guests.open_routes,
    shares.routes,
    retention.routes,
    library.routes,
    admin.routes,
    direct.routes,
    tus.routes,
    notifications.routes,
    webhooks.routes,
    system.routes,
    notifications.socket_routes,
    tus.public_routes,
    console.routes,
)


def all_operations() -> Iterator[Operation]:
    """All operations, in the order in which their templates are tried."""
    known = [operation for routes in _ROUTES for operation in routes]
    yield from known
    yield from routes_about(known)
