"""``strongroom usage``: shows usage and limits."""

from __future__ import annotations

import dataclasses

from strongroom.cli import shown
from strongroom.cli.session import Session


async def usage(session: Session) -> None:
    """Show what you have stored, and your limits."""
    async with session.client() as client:
        found = await client.usage()
    of_bytes = "no limit" if found.limit_bytes is None else f"limit {shown.size(found.limit_bytes)}"
    of_files = "no limit" if found.limit_files is None else f"limit {found.limit_files}"
    lines = [
        f"user      {shown.name(found.owner_id)}",
        f"bytes     {shown.size(found.used_bytes)} ({of_bytes})",
        f"files     {found.file_count} ({of_files})",
        f"under way {shown.size(found.reserved_bytes)}",
    ]
    session.output.result("\n".join(lines), dataclasses.asdict(found))
