"""Metrics of reading media: files read, durations, and files that could not be read completely."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_BUCKETS: Final = (0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class MediaMetrics(Collector):
    """Counts of this process."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "strongroom_media_read_seconds",
            "Seconds to read the metadata of a picture, video or sound.",
            ("kind",),
            buckets=_BUCKETS,
            registry=None,
        )
        self._broken = Counter(
            "strongroom_media_unreadable",
            "Media files that could not be read in two tries, or hit a limit.",
            registry=None,
        )

    def collect(self) -> Iterable[Metric]:
        """Both metrics."""
        yield from self._seconds.collect()
        yield from self._broken.collect()

    @contextmanager
    def reading(self, content_type: str) -> Iterator[None]:
        """Measure the reading of one file. The label ``kind`` is image, video or audio."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._seconds.labels(content_type.partition("/")[0]).observe(time.perf_counter() - begun)

    def broken(self) -> None:
        """Count a file that was not read completely."""
        self._broken.inc()
