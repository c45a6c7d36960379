"""``strongroom costs``: estimates the cost of stored objects by storage class and family."""

from __future__ import annotations

import dataclasses

from strongroom.cli import shown
from strongroom.cli.session import Session
from strongroom.client.costs import CostLine, Costs


async def costs(session: Session) -> None:
    """Estimate what your objects cost a month: storage class, family, objects, bytes, USD."""
    async with session.client() as client:
        show(session, await client.costs())


def show(session: Session, found: Costs) -> None:
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
