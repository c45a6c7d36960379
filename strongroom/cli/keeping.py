"""Options that say how long what is stored shall stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.problems import UsageProblem
from strongroom.client.wishes import RetentionWish

Keep = Annotated[
    str,
    typer.Option(
        "--keep", metavar="TIME", help="Neither deleted nor replaced before: 2027-01-31, or 90d from now."
    ),
]
DeleteAfter = Annotated[
    str,
    typer.Option(
        "--delete-after", metavar="TIME", help="Goes away by itself then: 2027-01-31, or 90d from now."
    ),
]
Hold = Annotated[str, typer.Option("--hold", metavar="REASON", help="Place a legal hold on it.")]


def wish_of(keep: str = "", delete_after: str = "", hold: str = "") -> RetentionWish | None:
    """What the options ask for; None: nothing.

    :raises UsageProblem: no time.
    """
    if not (keep or delete_after or hold):
        return None
    return RetentionWish(_when(keep), _when(delete_after), hold)


def moment_of(text: str) -> datetime:
    """A moment, with an offset. Raises UsageProblem."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"{text!r} is no time: 2027-01-31, 2027-01-31T12:00:00Z, 90d") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def is_span(text: str) -> bool:
    """Whether it is a span (``90d``) and no moment."""
    return text[:1].isdigit() and "-" not in text


def _when(text: str) -> datetime | timedelta | None:
    if not text:
        return None
    return shown.duration(text) if is_span(text) else moment_of(text)
