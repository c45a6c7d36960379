"""How large a file of each family may be, and how it is cut into parts."""

from __future__ import annotations

from dataclasses import dataclass

from storage_service.objectstore.values import MAX_PARTS, MIB
from strongroom.errors import SizeLimitExceeded
from strongroom.metadata.v1.target_pb2 import UploadTarget


@dataclass(frozen=True, slots=True)
class SizeRule:
    """``name`` is what users call the family; ``max_bytes`` the largest file."""

    name: str
    max_bytes: int

    def check(self, size: int) -> None:
        """Raises SizeLimitExceeded."""
        if size > self.max_bytes:
            raise SizeLimitExceeded(
                f"the file is larger than the limit of {self.max_bytes} bytes for {self.name}",
                metadata={"limit": str(self.max_bytes), "family": self.name},
            )


class Limits:
    """Size rules by the name of UploadTarget's field, and the part size."""

    def __init__(self, rules: dict[str, SizeRule], *, min_part_bytes: int) -> None:
        self._rules = rules
        self._min_part = min_part_bytes
        self._largest = max(rule.max_bytes for rule in rules.values())

    def for_target(self, target: UploadTarget) -> SizeRule:
        """The rule of the target's family (the schema has made sure that one is set)."""
        return self._rules[target.WhichOneof("target") or ""]

    def part_size(self, declared: int | None) -> int:
        """Bytes of every part but the last: at most 10,000 parts, whole MiB, never under the set minimum."""
        longest = self._largest if declared is None else declared
        needed = -(-longest // MAX_PARTS)
        return max(self._min_part, -(-needed // MIB) * MIB)
