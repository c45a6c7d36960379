"""The estimated monthly cost of stored objects."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.metadata.v1 import usage_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class CostLine:
    """The objects of one family in one storage class, including the trash, older versions, and objects
    waiting to be removed. ``written``: how many of them in the last 30 days. Prices in USD; None: unknown.
    """

    storage_class: str
    family: str
    objects: int
    size: int
    written: int
    per_gb_month: float | None
    per_month: float


@dataclass(frozen=True, slots=True)
class Costs:
    """An estimate in USD, with the installation's prices (docs/costs.md). ``writes``: cost of those in the
    last 30 days.
    """

    lines: tuple[CostLine, ...]
    storage: float
    writes: float

    @property
    def per_month(self) -> float:
        """The total of all known prices."""
        return self.storage + self.writes

    @property
    def bytes_by_class(self) -> dict[str, int]:
        """Bytes by storage class."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.storage_class] = found.get(line.storage_class, 0) + line.size
        return found

    @classmethod
    def from_proto(cls, found: pb.GetCostsResponse) -> Costs:
        """The value for a ``strongroom.metadata.v1.GetCostsResponse``."""
        lines = tuple(
            CostLine(
                line.storage_class,
                line.family,
                line.object_count,
                line.size_bytes,
                line.written_count,
                line.usd_per_gb_month if line.HasField("usd_per_gb_month") else None,
                line.usd_per_month,
            )
            for line in found.lines
        )
        return cls(lines, found.storage_usd_per_month, found.write_usd_per_month)
