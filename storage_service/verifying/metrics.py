"""Metrics of verification and scrub."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import verification_pb2 as pb

KINDS: Final = tuple(number for number in pb.FindingKind.values() if number)


def kind_name(kind: int) -> str:
    """The kind in lower case: ``object_missing``."""
    return enum_word(pb.FindingKind.DESCRIPTOR, kind)


class VerificationMetrics(Collector):
    """Counts of this process: its findings, the last run that it saw end, and what its scrub has read."""

    def __init__(self) -> None:
        self._found: Counter[int] = Counter()
        self._last: pb.Verification | None = None
        self._scrubbed_objects = 0
        self._scrubbed_bytes = 0
        self._oldest: datetime | None = None
        self._unchecked: int | None = None

    def found(self, finding: pb.Finding) -> None:
        """Count a finding."""
        self._found[finding.kind] += 1

    def ended(self, run: pb.Verification) -> None:
        """Record the end of a run."""
        self._last = run

    def scrubbed(self, size: int) -> None:
        """Count an object that was read back, and its ``size`` in bytes."""
        self._scrubbed_objects += 1
        self._scrubbed_bytes += size

    def coverage(self, oldest: datetime | None, unchecked: int) -> None:
        """Record the scrub's coverage.

        :param oldest: when the next object was last checked; None: never.
        :param unchecked: objects that were never checked.
        """
        self._oldest, self._unchecked = oldest, unchecked

    def collect(self) -> Iterable[Metric]:
        """All metrics; values that are not known yet are left out."""
        findings = CounterMetricFamily(
            "strongroom_verify_findings", "Findings of verifications by this process.", labels=("kind",)
        )
        for kind in KINDS:
            findings.add_metric((kind_name(kind),), self._found[kind])
        objects = CounterMetricFamily("strongroom_scrub_objects", "Objects read back by the scrub.")
        objects.add_metric((), self._scrubbed_objects)
        size = CounterMetricFamily("strongroom_scrub_bytes", "Bytes read back by the scrub.")
        size.add_metric((), self._scrubbed_bytes)
        return [findings, objects, size, *self._coverage(), *self._last_run()]

    def _coverage(self) -> Iterable[Metric]:
        if self._unchecked is None:
            return
        unchecked = GaugeMetricFamily(
            "strongroom_scrub_unchecked_objects",
            "Committed objects never read back, up to 100,000.",
        )
        unchecked.add_metric((), self._unchecked)
        yield unchecked
        if self._oldest is not None:
            age = GaugeMetricFamily(
                "strongroom_scrub_oldest_check_age_seconds",
                "Seconds since the oldest check of an object by the scrub.",
            )
            age.add_metric((), max(0.0, time.time() - self._oldest.timestamp()))
            yield age

    def _last_run(self) -> Iterable[Metric]:
        run = self._last
        if run is None:
            return
        ended = GaugeMetricFamily(
            "strongroom_verify_last_end_timestamp_seconds",
            "When the last verification ended.",
            labels=("outcome",),
        )
        outcome = "finished" if run.state == pb.VERIFICATION_STATE_FINISHED else "failed"
        ended.add_metric((outcome,), run.end_time.seconds)
        yield ended
        counts = {found.kind: found.count for found in run.findings}
        last = GaugeMetricFamily(
            "strongroom_verify_last_findings", "Findings of the last verification.", labels=("kind",)
        )
        for kind in KINDS:
            last.add_metric((kind_name(kind),), counts.get(kind, 0))
        yield last
        objects = GaugeMetricFamily(
            "strongroom_verify_last_objects", "Objects seen by the last verification."
        )
        objects.add_metric((), run.counts.objects)
        yield objects
