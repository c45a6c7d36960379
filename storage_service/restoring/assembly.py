"""Builds the parts of a restore for ``services``."""

from __future__ import annotations

from storage_service.metadata.verification import Restorations
from storage_service.objectstore.interface import ObjectStore
from storage_service.repairing.assembly import Verifying
from storage_service.restoring.decisions import Decisions
from storage_service.restoring.projects import ProjectRestorer, Saves
from storage_service.restoring.relinking import Relinks
from storage_service.restoring.strays import Strays


class Restoring:
    """The parts that the servicer calls. ``saves``: saves projects."""

    def __init__(
        self,
        store: ObjectStore,
        verifying: Verifying,
        restorations: Restorations,
        saves: Saves,
    ) -> None:
        records = verifying.records
        self.strays = Strays(store, records, restorations)
        self.relinks = Relinks(store, records, restorations, identity=verifying.identity)
        self.decisions = Decisions(
            store,
            records,
            restorations,
            self.strays,
            ProjectRestorer(store, saves),
            quarantine=verifying.quarantine,
            identity=verifying.identity,
        )
