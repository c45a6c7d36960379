"""Options for retention and storage class."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.problems import UsageProblem
from strongroom.client.retention import RetentionWish

Keep = Annotated[
    str | None,
    typer.Option(
        "--keep", metavar="TIME", help="Refuse to delete or replace it before: 2027-01-31, or 90d from now."
    ),
]
DeleteAfter = Annotated[
    str | None,
    typer.Option(
        "--delete-after", metavar="TIME", help="Delete it automatically at: 2027-01-31, or 90d from now."
    ),
]
Hold = Annotated[str | None, typer.Option("--hold", metavar="REASON", help="Place a legal hold on it.")]
StorageClass = Annotated[
    str | None,
    typer.Option(
        "--storage-class",
        metavar="CLASS",
        help="S3 storage class, one of those that the installation allows.",
    ),
]


def wish_of(
    keep: str | None = None, delete_after: str | None = None, hold: str | None = None
) -> RetentionWish | None:
    """Return the retention that the options request; None if they request none.

    :raises UsageProblem: an invalid or past time, or an option without a value. An empty variable of a script
    must not
        store a file unprotected.
    """
    if keep is None and delete_after is None and hold is None:
        return None
    if hold is not None and not hold.strip():
        raise UsageProblem("--hold needs a reason, such as --hold 'case 2026-17'")
    return RetentionWish(_when("--keep", keep), _when("--delete-after", delete_after), (hold or "").strip())


def class_of(storage_class: str | None) -> str:
    """Return S3's name of the storage class; ``""`` if none is chosen. Raises UsageProblem if it is empty."""
    if storage_class is None:
        return ""
    name = storage_class.strip().upper().replace("-", "_")
    if not name:
        raise UsageProblem("--storage-class needs S3's name of one, such as STANDARD_IA")
    return name


def moment_of(text: str) -> datetime:
    """Parse a time with an offset. Raises UsageProblem."""
    try:
        return shown.moment(text)
    except ValueError:
        raise UsageProblem(f"{text!r} is not a time: 2027-01-31, 2027-01-31T12:00:00Z, 90d") from None


def span_of(text: str) -> timedelta | None:
    """Parse a span (``90d``); None if it looks like a time. Raises UsageProblem if it is neither, or
    empty.
    """
    if not text[:1].isdigit() or "-" in text:
        return None
    if text.isdigit():  # elsewhere this means seconds; here days or a year are probably meant
        raise UsageProblem(f"{text} of what? Write {text}d for days, or a date such as 2027-01-31")
    try:
        span = shown.duration(text)
    except ValueError:
        raise UsageProblem(f"{text!r} is not a time: 2027-01-31, 2027-01-31T12:00:00Z, 90d") from None
    if not span:
        raise UsageProblem(f"{text} is not a time")
    return span


def _when(option: str, text: str | None) -> datetime | timedelta | None:
    if text is None:
        return None
    if not (text := text.strip()):
        raise UsageProblem(f"{option} needs a time: 2027-01-31, or 90d from now")
    span = span_of(text)
    if span is not None:
        return span
    moment = moment_of(text)
    if moment <= datetime.now(UTC):
        raise UsageProblem(f"{option} {text} is in the past; give a future time")
    return moment
