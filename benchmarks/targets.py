"""The promised figures, and their comparison with measured values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`must` is the promise, `goal` the ambition; `at_least`: larger is better."""

    figure: str
    must: float
    goal: float
    at_least: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Check:
    """A target and the measured value."""

    target: Target
    value: float

    def keeps(self, bound: float) -> bool:
        """Whether the value is on the good side of `bound`."""
        return self.value >= bound if self.target.at_least else self.value <= bound

    @property
    def verdict(self) -> str:
        """✓✓ goal reached, ✓ promise kept, ✗ missed and by how much of the bound."""
        if self.keeps(self.target.goal):
            return "✓✓"
        if self.keeps(self.target.must):
            return "✓"
        return f"✗ by {abs(self.value / self.target.must - 1):.0%}" if self.target.must else "✗"


#: Promises of both forms.
_BOTH = (
    Target("list of 50, latency at 1,000,000 rows ÷ at 1,000", 1.3, 1.1),
    Target("bytes written to S3 per byte, in pieces of 1 MiB", 2.0, 2.0),
    Target("bytes written to S3 per byte, in pieces of 8 and 64 MiB", 1.0, 1.0),
    Target("resumable upload MiB/s ÷ one shot", 0.8, 0.95, at_least=True),
    Target("MiB/s in pieces of 1 MiB, tus", 250, 300, at_least=True),
    Target("MiB/s in pieces of 1 MiB, gRPC", 250, 300, at_least=True),
)
_ONE = (
    Target("upload CPU ÷ boto3 upload_fileobj", 0.50, 0.40),
    Target("upload MiB/s ÷ naive app", 3.5, 6.0, at_least=True),
    Target("download CPU ÷ boto3 download_file", 0.25, 0.20),
    Target("download MiB/s ÷ naive app", 3.5, 6.0, at_least=True),
    Target("64 KiB uploads/s, 16 clients ÷ naive app", 4.0, 6.0, at_least=True),
    Target("64 KiB uploads, CPU ÷ naive app", 0.35, 0.25),
    Target("64 KiB GETs/s, 16 clients ÷ naive app", 4.0, 6.0, at_least=True),
    Target("64 KiB GETs, CPU ÷ naive app", 0.35, 0.35),
    Target("list of 50, requests/s ÷ naive app", 4.0, 6.0, at_least=True),
    Target("list of 50, p50 with one client ÷ naive app", 0.5, 0.35),
    Target("memory of the process, idle", 130, 100, unit="MiB"),
    Target("peak memory of the process, one upload of 1 GiB", 170, 140, unit="MiB"),
    Target("peak memory of the process, eight uploads of 1 GiB", 320, 260, unit="MiB"),
    Target("small GET p50, two uploads running ÷ quiet", 3.0, 2.0),
)
_THREE = (
    Target("upload CPU ÷ boto3 upload_fileobj", 0.70, 0.50),
    Target("upload MiB/s ÷ naive app", 2.5, 3.0, at_least=True),
    Target("download CPU ÷ boto3 download_file", 0.75, 0.50),
    Target("download MiB/s ÷ naive app", 3.0, 4.0, at_least=True),
    Target("64 KiB uploads/s, 16 clients ÷ naive app", 2.4, 4.0, at_least=True),
    Target("64 KiB uploads, CPU ÷ naive app", 0.70, 0.50),
    Target("64 KiB GETs/s, 16 clients ÷ naive app", 2.8, 4.0, at_least=True),
    Target("64 KiB GETs, CPU ÷ naive app", 0.60, 0.50),
    Target("list of 50, requests/s ÷ naive app", 2.4, 2.8, at_least=True),
    Target("list of 50, p50 with one client ÷ naive app", 0.8, 0.6),
    Target("gateway memory, idle", 60, 50, unit="MiB"),
    Target("storage_service memory, idle", 120, 100, unit="MiB"),
    Target("metadata_service memory, idle", 100, 80, unit="MiB"),
    Target("gateway memory growth, smallest to largest body", 10, 10, unit="MiB"),
    Target("storage_service peak memory, one upload of 1 GiB", 180, 120, unit="MiB"),
    Target("storage_service peak memory, eight uploads of 1 GiB", 360, 230, unit="MiB"),
    Target("gateway peak memory, project of 100 MiB", 160, 120, unit="MiB"),
    Target("storage_service peak memory, project of 100 MiB", 320, 240, unit="MiB"),
    Target("metadata_service peak memory, project of 100 MiB", 200, 160, unit="MiB"),
    Target("small GET p50, two uploads running ÷ quiet", 4.0, 3.0),
    Target("another user's p50 under attack ÷ quiet, worst", 3.0, 2.0),
    Target("another user's p99 under attack ÷ quiet, worst", 3.0, 2.0),
    Target("another user's requests that failed under attack", 0, 0),
    Target("gateway peak memory under attack", 300, 150, unit="MiB"),
    Target("storage_service peak memory under attack", 500, 300, unit="MiB"),
)
#: By form of the system ("one" process, or "three"), and by figure.
TARGETS: Mapping[str, Mapping[str, Target]] = {
    "one": {target.figure: target for target in (*_BOTH, *_ONE)},
    "three": {target.figure: target for target in (*_BOTH, *_THREE)},
}


def check(figure: str, value: float, form: str = "three") -> Check:
    """`value` against the target of this name."""
    return Check(TARGETS[form][figure], value)
