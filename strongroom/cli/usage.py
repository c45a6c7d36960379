"""``strongroom usage`` and ``costs``: what is stored and may be, and what it costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from strongroom.cli import shown
from strongroom.cli.session import Session
from strongroom.client.costs import CostLine, Costs
from strongroom.client.files import Usage


async def usage(session: Session) -> None:
    """Show what you have stored, and your limits."""
    async with session.client() as client:
        show_usage(session, await client.usage())


async def costs(session: Session) -> None:
    """Estimate what your objects cost a month: storage class, family, objects, bytes, USD."""
    async with session.client() as client:
        show_costs(session, await client.costs())


def show_usage(session: Session, found: Usage) -> None:
    """Print what a user has stored, with the limits."""
    lines = [
        f"user      {shown.name(found.owner_id)}",
        f"bytes     {shown.size(found.used_bytes)} ({limit_text(found.limit_bytes, shown.size)})",
        f"files     {found.file_count} ({limit_text(found.limit_files, str)})",
        f"under way {shown.size(found.reserved_bytes)}",
    ]
    session.output.result("\n".join(lines), dataclasses.asdict(found))


def limit_text(limit: int | None, as_text: Callable[[int], str]) -> str:
    """Return ``limit 5`` or ``no limit``."""
    return "no limit" if limit is None else f"limit {as_text(limit)}"


def show_costs(session: Session, found: Costs) -> None:
    """Print one line for each class and family, and the sum."""
    for line in found.lines:
        session.output.result(_text(line), dataclasses.asdict(line))
    total = f"about {found.per_month:.2f} USD a month, {found.writes:.2f} of it for writing"
    document = {"storage": found.storage, "writes": found.writes, "bytes_by_class": found.bytes_by_class}
    session.output.result(total, document)


def _text(line: CostLine) -> str:
    price = "no price" if line.per_gb_month is None else f"{line.per_month:.4f} USD"
    size = shown.size(line.size)
    return f"{line.storage_class:<20} {line.family:<16} {line.objects:>9} {size:>10}  {price}"
