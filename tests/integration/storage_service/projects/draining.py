"""Waits until an owner has no work left."""

from __future__ import annotations

from tests.integration.storage_service.projects.client import ProjectClient
from tests.stack import until


def wait_drained(client: ProjectClient, seconds: float = 90.0) -> None:
    """Until nothing of the owner is under way, being removed or looked at."""
    logins = client.services.logins

    def drained() -> bool:
        return logins.rows(
            "SELECT (SELECT count(*) FROM blobs WHERE owner_id = %s AND state <> 3)"
            " + (SELECT count(*) FROM project_keys WHERE owner_id = %s)"
            " + (SELECT count(*) FROM project_saves WHERE owner_id = %s)",
            *(client.owner,) * 3,
        ) == [(0,)]

    until("everything has drained", drained, seconds)
