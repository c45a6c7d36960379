"""Puts the parts of a restore together for ``bootstrap``."""

from __future__ import annotations

from storage_service.metadata.restoration import Restorations
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.interface import ObjectStore
from storage_service.restoring.decisions import Decisions
from storage_service.restoring.strays import Strays


class Restoring:
    """What the servicer needs."""

    def __init__(self, store: ObjectStore, records: VerificationRecords, restorations: Restorations) -> None:
        self.strays = Strays(store, records, restorations)
        self.decisions = Decisions(store, records, restorations, self.strays)
