"""The failpoints of repairs; `tests.faults.test_points` compares them with the code."""

from __future__ import annotations

from typing import Final

#: In the order in which a repair reaches them.
REPAIR: Final = (
    "storage.repair.before_row",
    "storage.repair.after_row",
    "storage.repair.after_rewrite",
    "storage.repair.after_copy",
    "storage.repair.after_manifest",
    "storage.repair.after_removal",
    "storage.repair.after_marker",
    "storage.repair.after_abort",
)
RETURN: Final = "storage.repair.after_return"
PURGE: Final = "storage.repair.in_purge"
