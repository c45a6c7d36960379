"""Which of two sets of signatures is the newer one, by what clamd says of itself.

``ClamAV 1.4.3/27800/Sat Nov 29 08:26:14 2026``: the engine, the number of the daily database and when that
was built. Replicas may have different ones for hours, each fetching them when it likes. The order is total
and every replica computes the same, so the newest is alone in having others' contents scanned again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Order: TypeAlias = tuple[int, datetime, tuple[int, ...], str]

_SHAPE: Final = re.compile(
    r"ClamAV (?P<engine>[^/\s]+)(?:/(?P<number>\d{1,9})(?:/(?P<built>.*))?)?", re.ASCII
)
_BUILT: Final = "%a %b %d %H:%M:%S %Y"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
#: Clocks and time zones differ (the date has none); what says to be of later is believed in nothing, as it
#: would keep true ones away until they are later still.
_AHEAD: Final = timedelta(days=2)


def order(database: str, now: datetime | None = None) -> Order:
    """To compare with others'; larger is newer. None at all (``""``) comes first."""
    found = _SHAPE.fullmatch(database)
    if found is None:
        return 0, _NEVER, (), database
    built = _moment(found["built"])
    if built > (now or datetime.now(UTC)) + _AHEAD:
        return 0, _NEVER, (), database
    engine = tuple(int(part) for part in re.findall(r"\d{1,9}", found["engine"]))
    return int(found["number"] or 0), built, engine, database


def _moment(text: str | None) -> datetime:
    try:
        return datetime.strptime(" ".join((text or "").split()), _BUILT).replace(tzinfo=UTC)
    except ValueError:
        return _NEVER
