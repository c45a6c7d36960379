"""``strongroom backup``: explains how to make a backup, for operators who try this command."""

from __future__ import annotations

from typing import Final

from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session

_INSTEAD: Final = (
    "nothing was backed up. Postgres first: continuous archiving, or pg_dump as a role with BYPASSRLS (any"
    " other dumps no rows); then the bucket, by replication with its versions. docs/backup.md has the roles"
    " and the order; `strongroom verify`, before and after, says that both belong together"
)


async def backup(_session: Session) -> None:
    """Explain how to back up: Postgres' own tools, and replication of the bucket."""
    raise UsageProblem(_INSTEAD)
