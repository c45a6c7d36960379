"""Records reports of damage in tests."""

from __future__ import annotations

from storage_service.objectstore.values import ObjectRef
from storage_service.reading.damage import Damage, DamageReporter


class Reports(DamageReporter):
    """Records the reports. ``removed``: whether missing objects were removed with their files."""

    def __init__(self, *, removed: bool = False) -> None:
        self.damaged: list[tuple[Damage, str]] = []
        self.removed = removed

    async def is_removed(self, ref: ObjectRef, etag: str) -> bool:
        """See DamageReporter.is_removed."""
        return self.removed

    def report(self, damage: Damage, ref: ObjectRef, **facts: object) -> None:
        """See DamageReporter.report."""
        self.damaged.append((damage, ref.key))
