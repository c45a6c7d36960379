"""A stream's position after silence: unchanged, and valid as long as new events are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from metadata_service.events.reader import LONGEST_TRANSACTION, Position, parse

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_place_is_as_young_as_its_silence_is_long() -> None:
    place = Position(7, 3, WRITTEN)
    assert place.after_silence(0) == place.after_silence(LONGEST_TRANSACTION) == place
    last = parse("7-3-253402300799")  # a caller may make one up
    assert last.after_silence(86_400.0) == last
    later = parse(place.after_silence(86_400 + LONGEST_TRANSACTION).token())
    assert (later.xid, later.id, later.at) == (7, 3, WRITTEN + timedelta(days=1))
