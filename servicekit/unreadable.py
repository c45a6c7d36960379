"""Refuses infected and damaged contents, before any response head is sent, on every route."""

from __future__ import annotations

from strongroom.errors import ContentInfected, ObjectLost
from strongroom.metadata.v1.file_pb2 import DATA_LOSS_CORRUPT, DATA_LOSS_LOST, File
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_INFECTED


def refuse_unreadable(file: File | ProjectFile, *, lost: bool = False, called: str = "this file") -> None:
    """Raises ContentInfected if the file was found infected after it was stored; ObjectLost if its bytes are
    known to be damaged.

    ``lost``: also refuse objects known to be lost, if the store is not asked.
    """
    if file.scan.outcome == SCAN_OUTCOME_INFECTED:
        raise ContentInfected(
            f"The scanner for malware has found {file.scan.signature} in {called}; nobody can read it any"
            " more. Delete it, or store a clean one in its place.",
            metadata={"signature": file.scan.signature},
        )
    if file.data_loss == DATA_LOSS_CORRUPT:
        raise ObjectLost(
            f"The bytes of {called} were damaged in the object store, and no right ones are there any more;"
            " store it again, or ask the operator for a backup."
        )
    if lost and file.data_loss == DATA_LOSS_LOST:
        raise ObjectLost(
            f"The object store has lost {called}; store it again, or ask the operator for a backup."
        )


def is_unreadable(file: File | ProjectFile) -> bool:
    """Whether ``refuse_unreadable`` raises for the file, without ``lost``."""
    return file.scan.outcome == SCAN_OUTCOME_INFECTED or file.data_loss == DATA_LOSS_CORRUPT
