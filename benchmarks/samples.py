"""Samples of one subject, and their medians."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Sample:
    """One run of one subject.

    seconds: wall time. amount: of work (GiB for transfers, requests for small ones). cpu: CPU seconds by
    process. peak: MiB by process. latency: median seconds of a request, if requests were timed.
    """

    seconds: float
    amount: float
    cpu: Mapping[str, float] = field(default_factory=dict)
    peak: Mapping[str, float] = field(default_factory=dict)
    latency: float = 0.0


@dataclass(frozen=True)
class Row:
    """A line of the report: medians of a subject's samples.

    cpu is CPU seconds per unit of amount; rate is amount per second; latency is in milliseconds.
    """

    subject: str
    rounds: int
    rate: float
    cpu: Mapping[str, float]
    peak: Mapping[str, float]
    latency: float

    def cpu_of(self, *names: str) -> float:
        """CPU seconds per unit of these processes together."""
        return sum(self.cpu[name] for name in names)


def row_of(subject: str, samples: list[Sample]) -> Row:
    """The median of each figure over the samples (at least one)."""
    first = samples[0]
    return Row(
        subject=subject,
        rounds=len(samples),
        rate=median(sample.amount / sample.seconds for sample in samples),
        cpu={name: median(sample.cpu[name] / sample.amount for sample in samples) for name in first.cpu},
        peak={name: median(sample.peak[name] for sample in samples) for name in first.peak},
        latency=1000 * median(sample.latency for sample in samples),
    )


def interleaved(subjects: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, Row]:
    """Run every subject once per round, alternating, so that other load affects all equally."""
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, run in subjects.items():
            samples[name].append(run())
    return {name: row_of(name, taken) for name, taken in samples.items()}
