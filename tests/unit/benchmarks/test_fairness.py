"""The error-prone parts of the fairness case: frames, quantiles, the table."""

from __future__ import annotations

from collections import Counter

from benchmarks.attacks import http2
from benchmarks.attacks.named import ATTACKS
from benchmarks.cases.fairness import Outcome, _line
from benchmarks.victim import KINDS, Felt


def test_frames_are_those_of_the_standard() -> None:
    assert http2.frame(6, 0, b"\0" * 8).hex() == "000008" + "06" + "00" + "00000000" + "00" * 8
    burst = next(http2.rapid_reset())
    length = int.from_bytes(burst[:3], "big")
    assert (burst[3], burst[4], int.from_bytes(burst[5:9], "big")) == (1, 4, 1)
    reset = burst[9 + length :]
    assert reset[:9].hex() == "000004" + "03" + "00" + "00000001"


def test_quantiles_and_ratios() -> None:
    quiet, attacked = Felt(), Felt()
    for number in range(100):
        quiet.seconds["GET"].append((number + 1) / 1000)
        attacked.seconds["GET"].append((number + 1) / 500)
    assert quiet.quantile("GET", 0.5) == 0.051
    assert quiet.quantile("GET", 0.99) == 0.1
    assert Outcome(quiet, attacked).ratio("GET", 0.99) == 2


def test_the_line_of_an_attack_tells_times_failures_peaks_and_answers() -> None:
    outcome = Outcome(peak={"gateway": 90.4, "storage": 200, "metadata": 100}, answers=Counter({"429": 1284}))
    for kind in KINDS:
        outcome.quiet.seconds[kind].append(0.010)
        outcome.attacked.seconds[kind].append(0.025)
    outcome.attacked.failures["list 503"] = 2
    line = _line(ATTACKS["flood"], outcome)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    times = "25 / 25 (2.5, 2.5)"
    assert cells == [
        ATTACKS["flood"].text,
        times,
        times,
        times,
        "list 503: 2",
        "90 / 200 / 100",
        "429: 1,284",
    ]
