"""Tests of the comparison in conformance runs: it accepts what the protocol shows, and nothing else."""

from __future__ import annotations

import pytest

from tests.faults.campaigns.conformance import Graph, Look, Possible, Seen, beginning, narrowed
from tests.model.state import Delete, Rules

GRAPH = Graph(Rules())
NOT_ASKED = frozenset({Delete.NOT_ASKED})
DELETED = frozenset({Delete.ACKNOWLEDGED})


def seen(*attempts: Look, told: bool = False, deleted: bool = False) -> Seen:
    """Observations of the first and the second attempt. ``told``: answered and acknowledged."""
    return Seen(dict(zip("12", attempts, strict=False)), told, told, DELETED if deleted else NOT_ASKED)


PENDING = ("pending", False, 1)
COMPLETING = ("completing", True, 0)
STORED = ("committed", True, 0)
DELETING = ("deleting", True, 0)
ABORTING = ("aborting", False, 1)


def fitting(*pictures: Seen) -> Possible:
    possible = beginning()
    for picture in pictures:
        possible = narrowed(GRAPH, possible, picture)
    return possible


@pytest.mark.parametrize(
    "pictures",
    [
        [seen()],
        [seen(PENDING), seen(COMPLETING), seen(STORED, told=True)],
        [seen(PENDING), seen(ABORTING, STORED, told=True)],
        [seen(STORED, told=True), seen(DELETING, told=True, deleted=True), seen(told=True, deleted=True)],
        [seen(ABORTING), seen(("gone", False, 0)), seen()],
    ],
    ids=["nothing", "a write", "a second attempt", "a deletion", "an abort"],
)
def test_what_the_protocol_shows_fits(pictures: list[Seen]) -> None:
    assert fitting(*pictures)


@pytest.mark.parametrize(
    "pictures",
    [
        [seen(("committed", False, 0), told=True)],
        [seen(STORED, STORED, told=True)],
        [seen(ABORTING), seen(("completing", False, 1))],
        [seen(STORED, told=True), seen(told=True)],
        [seen(DELETING, told=True, deleted=True), seen(STORED, told=True, deleted=True)],
        [Seen({"1": PENDING}, answered=False, acknowledged=True, deletions=NOT_ASKED)],
        [Seen({"1": STORED}, answered=False, acknowledged=False, deletions=NOT_ASKED)],
        [seen(("", True, 0)), seen(STORED, told=True), seen(("", True, 0), told=True)],
    ],
    ids=[
        "a file without bytes",
        "two files",
        "an attempt that comes back",
        "a file that is lost",
        "a deleted file that comes back",
        "told too early",
        "no answer kept",
        "an orphan instead of a file",
    ],
)
def test_what_breaks_the_protocol_does_not(pictures: list[Seen]) -> None:
    assert not fitting(*pictures)
