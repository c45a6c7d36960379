"""What is scanned, and what becomes of a body that can't be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storage_service.scanning.clamd import Address

PROJECT: Final = "project"
FAMILIES: Final = ("file", "generation", "event_media", "profile_picture", "temp", "path", PROJECT)
"""As the metrics call them; all but the last are fields of UploadTarget."""


@dataclass(frozen=True, slots=True)
class ScanRules:
    """``families``: of FAMILIES. ``max_bytes``: a longer body is refused, or (``take_oversized``) stored
    unscanned. ``take_unscanned``: so is what the scanner can't be asked about. ``seconds``: of its longest
    silence.
    """

    address: Address
    families: frozenset[str]
    max_bytes: int
    take_oversized: bool
    take_unscanned: bool
    seconds: float
