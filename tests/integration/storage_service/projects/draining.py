"""Waits until nothing is left to do for an owner."""

from __future__ import annotations

from tests.integration.storage_service.projects.client import ProjectClient
from tests.stack import until


def wait_drained(client: ProjectClient, seconds: float = 90.0) -> None:
    """Wait until nothing of the owner is in progress, being removed, or to be checked."""
    logins = client.services.logins

    def drained() -> bool:
        return logins.rows(
            "SELECT (SELECT count(*) FROM blobs WHERE owner_id = %s AND state <> 3)"
            " + (SELECT count(*) FROM project_keys WHERE owner_id = %s)"
            " + (SELECT count(*) FROM project_saves WHERE owner_id = %s)",
            *(client.owner,) * 3,
        ) == [(0,)]

    until("everything has drained", drained, seconds)
