"""Which signatures are newer: the same for every replica, whatever version clamd reports."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from metadata_service.scanning import order

NOW = datetime(2026, 11, 29, tzinfo=UTC)
#: Oldest first.
OLD_TO_NEW = (
    "",
    "ClamAV 99.0/5/Sat Jan  1 00:00:00 2050",  # dated in the future: not believed
    "another scanner 7",
    "ClamAV 0.103.12",
    "ClamAV 1.4.9",
    "ClamAV 1.4.10",
    "ClamAV 1.4.2/9/Mon Nov 23 08:26:14 2026",
    "ClamAV 1.4.2/27799",
    "ClamAV 1.4.9/27799/Fri Nov 27 08:26:14 2026",
    "ClamAV 1.4.2/27799/Sat Nov 28 08:26:14 2026",
    "ClamAV 1.4.2/27800/Thu Nov  5 08:26:14 2026",  # the number counts more than the date
    "ClamAV 1.4.2/27801/nonsense",
    "ClamAV 1.4.3-rc1/27801/Sat Nov 28 08:26:14 2026",
    "ClamAV 1.5.0/27801/Sat Nov 28 08:26:14 2026",
    "ClamAV 1.4.2/127800/Sat Nov 28 08:26:14 2026",
)


@pytest.mark.parametrize(("older", "newer"), list(pairwise(OLD_TO_NEW)))
def test_newer(older: str, newer: str) -> None:
    assert order(older, NOW) < order(newer, NOW)


def test_the_order_is_total() -> None:
    orders = [order(text, NOW) for text in OLD_TO_NEW]
    assert sorted(orders, reverse=True)[::-1] == orders
    assert len(set(orders)) == len(orders)


def test_a_build_of_tomorrow_is_of_another_time_zone() -> None:
    assert order("ClamAV 1.4.2/2/Mon Nov 30 08:00:00 2026", NOW) > order("ClamAV 1.4.2/1", NOW)
    assert order("ClamAV 1.4.2/999999/Thu Dec 31 08:00:00 2026", NOW) < order("ClamAV 1.4.2/1", NOW)
