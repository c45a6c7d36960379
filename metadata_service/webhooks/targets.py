"""Which URLs and which events a webhook may name."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from strongroom.errors import InvalidField, SourceUrlRefused
from strongroom.families import FAMILY_NAMES
from strongroom.metadata.v1 import notification_service_pb2 as events

#: What happens to projects has no file, and so no family of one.
PROJECT: Final = "project"
KNOWN: Final = frozenset({*FAMILY_NAMES.values(), "project_file", PROJECT} - {"unspecified"})
#: What happens to projects.
OF_PROJECTS: Final = frozenset(
    {
        events.EVENT_TYPE_PROJECT_SAVED,
        events.EVENT_TYPE_PROJECT_DELETED,
        events.EVENT_TYPE_PROJECT_SAVE_PROGRESS,
    }
)
#: Told only where they are named.
PROGRESS: Final = frozenset({events.EVENT_TYPE_UPLOAD_PROGRESS, events.EVENT_TYPE_PROJECT_SAVE_PROGRESS})
#: They go to a webhook whatever its filter is.
OWN: Final = frozenset({events.EVENT_TYPE_WEBHOOK_PING, events.EVENT_TYPE_EVENTS_LOST})


@dataclass(frozen=True, slots=True)
class TargetRules:
    """As of imports: `ports` that may be used, `allow_hosts` (`host:port`) that are exempt."""

    ports: Collection[int] = (80, 443, 8080, 8443)
    allow_hosts: Collection[str] = ()

    def check(self, url: str) -> str:
        """The URL. Raises InvalidField. What its name resolves to is looked at whenever something is sent."""
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
    """As filters name it; empty where an event has none."""
    if event.type in OF_PROJECTS:
        return PROJECT
    payload = json.loads(event.payload_json or "{}")
    return str(payload.get("family") or "") if isinstance(payload, dict) else ""


def checked(
    types: Iterable[int], families: Iterable[str], within: str = "filter."
) -> tuple[list[int], list[str]]:
    """The two halves of a filter. Raises InvalidField, of a field ``within`` the request."""
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
