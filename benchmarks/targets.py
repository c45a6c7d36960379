"""The figures that are promised, and whether they were kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`must` is the promise, `goal` the ambition; `at_least` says which way is better."""

    figure: str
    must: float
    goal: float
    at_least: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Check:
    """A target and what was measured."""

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


_LIST = (
    Target("upload CPU, gateway + storage ÷ boto3 upload_fileobj", 0.65, 0.50),
    Target("upload CPU, gateway + storage ÷ naive app", 0.45, 0.37),
    Target("upload MiB/s ÷ naive app", 2.5, 3.0, at_least=True),
    Target("download CPU, gateway + storage ÷ boto3 download_file", 0.65, 0.50),
    Target("64 KiB uploads/s, 16 clients ÷ naive app", 4.0, 8.0, at_least=True),
    Target("list of 50, requests/s ÷ naive app", 2.0, 2.8, at_least=True),
    Target("list of 50, latency at 1,000,000 rows ÷ at 1,000", 1.3, 1.1),
    Target("gateway peak memory", 80, 60, unit="MiB"),
    Target("gateway memory growth, smallest to largest body", 10, 10, unit="MiB"),
    Target("storage_service peak memory, one upload of 1 GiB", 180, 120, unit="MiB"),
    Target("storage_service peak memory, eight uploads of 1 GiB", 360, 230, unit="MiB"),
    Target("gateway peak memory, project of 100 MiB", 160, 120, unit="MiB"),
    Target("storage_service peak memory, project of 100 MiB", 320, 240, unit="MiB"),
    Target("metadata_service peak memory, project of 100 MiB", 200, 160, unit="MiB"),
    Target("small GET p50, two uploads running ÷ quiet", 6.0, 4.0),
    Target("bytes written to S3 per byte, in pieces of 1 MiB", 2.0, 2.0),
    Target("bytes written to S3 per byte, in pieces of 8 and 64 MiB", 1.0, 1.0),
    Target("another user's p50 under attack ÷ quiet, worst", 3.0, 2.0),
    Target("another user's p99 under attack ÷ quiet, worst", 3.0, 2.0),
    Target("another user's requests that failed under attack", 0, 0),
    Target("gateway peak memory under attack", 300, 150, unit="MiB"),
    Target("storage_service peak memory under attack", 500, 300, unit="MiB"),
    Target("resumable upload MiB/s ÷ one shot", 0.8, 0.95, at_least=True),
)
TARGETS = {target.figure: target for target in _LIST}


def check(figure: str, value: float) -> Check:
    """`value` against the target of this name."""
    return Check(TARGETS[figure], value)
