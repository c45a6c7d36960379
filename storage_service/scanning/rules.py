"""Rules of scanning: which bodies are scanned, and how bodies are treated that can't be scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storage_service.scanning.clamd import Address

PROJECT: Final = "project"
FAMILIES: Final = ("file", "generation", "event_media", "profile_picture", "temp", "path", PROJECT)
"""Names as in the metrics. All but the last are fields of UploadTarget."""


@dataclass(frozen=True, slots=True)
class ScanRules:
    """Rules of scanning.

    ``families``: of FAMILIES. ``max_bytes``: a longer body is refused, or with ``take_oversized`` stored
    unscanned. ``take_unscanned``: store bodies that the scanner can't be asked about. ``seconds``: the
    scanner's longest silence.
    """

    address: Address
    families: frozenset[str]
    max_bytes: int
    take_oversized: bool
    take_unscanned: bool
    seconds: float
