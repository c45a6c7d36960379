"""Puts the parts of a restore together for ``bootstrap``."""

from __future__ import annotations

from storage_service.metadata.restoration import Restorations
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.interface import ObjectStore
from storage_service.restoring.decisions import Decisions
from storage_service.restoring.projects import ProjectRestorer, Saves
from storage_service.restoring.relinking import Relinks
from storage_service.restoring.strays import Strays


class Restoring:
    """What the servicer needs."""

    def __init__(
        self, store: ObjectStore, records: VerificationRecords, restorations: Restorations, saves: Saves
    ) -> None:
        self.strays = Strays(store, records, restorations)
        self.relinks = Relinks(store, records, restorations)
        self.decisions = Decisions(store, records, restorations, self.strays, ProjectRestorer(store, saves))
