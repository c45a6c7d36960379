"""Event streams end with the process, also those about to begin."""

from __future__ import annotations

from gateway.http.draining import Draining


def test_a_stream_that_begins_after_the_end_ends_at_once() -> None:
    draining, ended = Draining(), []
    with draining.endless(lambda: ended.append("early")):
        assert ended == []
        draining.end_streams()
        assert ended == ["early"]
    with draining.endless(lambda: ended.append("late")):
        assert ended == ["early", "late"]
