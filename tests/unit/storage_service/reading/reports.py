"""Records reports of damage in tests."""

from __future__ import annotations

from storage_service.objectstore.values import ObjectRef
from storage_service.reading.damage import Damage, DamageReporter


class Reports(DamageReporter):
    """Records the reports."""

    def __init__(self) -> None:
        self.damaged: list[tuple[Damage, str]] = []

    def report(self, damage: Damage, ref: ObjectRef, **facts: object) -> None:
        """See DamageReporter.report."""
        self.damaged.append((damage, ref.key))
