"""Checks the URL and the events of a webhook."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from strongroom.errors import InvalidField, SourceUrlRefused
from strongroom.families import FAMILY_NAMES
from strongroom.metadata.v1 import notification_service_pb2 as events

#: Events of projects have no file, and so no file family.
PROJECT: Final = "project"
KNOWN: Final = frozenset({*FAMILY_NAMES.values(), "project_file", PROJECT} - {"unspecified"})
#: Events of projects.
OF_PROJECTS: Final = frozenset(
    {
        events.EVENT_TYPE_PROJECT_SAVED,
        events.EVENT_TYPE_PROJECT_DELETED,
        events.EVENT_TYPE_PROJECT_SAVE_PROGRESS,
    }
)
#: Sent only if a filter names them.
PROGRESS: Final = frozenset({events.EVENT_TYPE_UPLOAD_PROGRESS, events.EVENT_TYPE_PROJECT_SAVE_PROGRESS})
#: Sent to a webhook whatever its filter.
OWN: Final = frozenset({events.EVENT_TYPE_WEBHOOK_PING, events.EVENT_TYPE_EVENTS_LOST})


@dataclass(frozen=True, slots=True)
class TargetRules:
    """Rules as for imports: allowed `ports`, and exempt `allow_hosts` (`host:port`)."""

    ports: Collection[int] = (80, 443, 8080, 8443)
    allow_hosts: Collection[str] = ()

    def check(self, url: str) -> str:
        """Check a URL, and return it. Raises InvalidField. The resolved address is checked before each
        delivery.
        """
        from servicekit import outbound  # noqa: PLC0415 - httpx takes 4 MiB that few processes need

        rules = outbound.UrlRules(frozenset(self.ports), frozenset(self.allow_hosts))
        try:
            target = rules.check(url)
            if not target.exempt:
                outbound.check_name(target.host)
        except SourceUrlRefused as error:
            what = error.message.removeprefix("the source URL")
            raise InvalidField(
                f"This URL{what}.", field="url", rule=error.metadata.get("rule", "form")
            ) from None
        if "#" in url:
            raise InvalidField(
                "Leave out what follows the # in the URL; it is never sent.", field="url", rule="form"
            )
        return url


def family_of(event: events.Event) -> str:
    """The event's family as filters name it; empty: it has none."""
    if event.type in OF_PROJECTS:
        return PROJECT
    payload = json.loads(event.payload_json or "{}")
    return str(payload.get("family") or "") if isinstance(payload, dict) else ""


def checked(
    types: Iterable[int], families: Iterable[str], within: str = "filter."
) -> tuple[list[int], list[str]]:
    """The two parts of a filter. Raises InvalidField for a field ``within`` the request."""
    types, families = list(types), list(families)
    unknown = sorted(set(families) - KNOWN)
    if unknown:
        raise InvalidField(
            f"{unknown[0]} is not a family; the families are {', '.join(sorted(KNOWN))}.",
            field=f"{within}families",
            rule="in",
        )
    if OWN & set(types):
        raise InvalidField(
            "webhook_ping and events_lost come by themselves; leave them out.",
            field=f"{within}types",
            rule="in",
        )
    return types, families
