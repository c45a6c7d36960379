"""When a client counts as too slow."""

from __future__ import annotations

from gateway.server.pace import BodyPace, ConnectionLimits, SendPace

LIMITS = ConnectionLimits(
    max_connections=1,
    header_seconds=1,
    max_header_bytes=1,
    body_idle_seconds=10,
    body_rate_window=30,
    min_body_rate=100,
    send_idle_seconds=10,
)


def test_silence_is_cut_off() -> None:
    pace, request = BodyPace(LIMITS), object()
    assert not pace.measures_too_slow(request, 0, 0)
    assert not pace.measures_too_slow(request, 5, 9)
    assert not pace.measures_too_slow(request, 5, 19)
    assert pace.measures_too_slow(request, 5, 20)


def test_a_drip_is_cut_off_at_the_end_of_its_window() -> None:
    pace, request = BodyPace(LIMITS), object()
    assert not any(pace.measures_too_slow(request, second, second) for second in range(30))
    assert pace.measures_too_slow(request, 30, 30)


def test_a_steady_body_may_take_as_long_as_it_likes() -> None:
    pace, request = BodyPace(LIMITS), object()
    assert not any(pace.measures_too_slow(request, second * 200, second) for second in range(1000))


def test_what_came_quickly_at_first_is_no_credit_for_later() -> None:
    pace, request = BodyPace(LIMITS), object()
    pace.measures_too_slow(request, 0, 0)
    assert not pace.measures_too_slow(request, 1_000_000, 30)
    assert not any(pace.measures_too_slow(request, 1_000_000 + second, 30 + second) for second in range(30))
    assert pace.measures_too_slow(request, 1_000_030, 60)


def test_time_in_which_we_did_not_read_does_not_count() -> None:
    pace, request = BodyPace(LIMITS), object()
    pace.measures_too_slow(request, 0, 0)
    for second in range(1, 500):
        pace.paused(0, second)
    assert not pace.measures_too_slow(request, 0, 505)
    assert pace.measures_too_slow(request, 0, 510)


def test_each_request_starts_over() -> None:
    pace = BodyPace(LIMITS)
    assert not pace.measures_too_slow(object(), 0, 0)
    assert not pace.measures_too_slow(object(), 0, 500)


def test_an_answer_that_nobody_takes() -> None:
    pace, request = SendPace(LIMITS), object()
    assert not pace.measures_stuck(request, 1000, 0)
    assert not pace.measures_stuck(request, 1000, 10)
    assert pace.measures_stuck(request, 1000, 11)


def test_an_answer_that_moves() -> None:
    pace, request = SendPace(LIMITS), object()
    assert not any(pace.measures_stuck(request, 1000 - second, second) for second in range(100))
    assert not pace.measures_stuck(request, 0, 200)
    assert not pace.measures_stuck(request, 0, 300)
