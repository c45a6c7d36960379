"""How a ZIP is refused: one error with the rule it breaks and the entry that breaks it."""

from __future__ import annotations

from strongroom.errors import ArchiveInvalid

SHOWN = 200


def refused(rule: str, message: str, entry: bytes | str = b"") -> ArchiveInvalid:
    """ArchiveInvalid {rule, entry}. The entry's name is escaped and cut: it travels in headers and logs."""
    shown = ascii(entry.decode("utf-8", "replace") if isinstance(entry, bytes) else entry)[1:-1][:SHOWN]
    where = f"{shown}: " if shown else ""
    return ArchiveInvalid(f"{where}{message}", metadata={"rule": rule, "entry": shown})
