"""docs/sizing.md: the connections in its table follow from the settings."""

from __future__ import annotations

import re
from pathlib import Path

from metadata_service.config import PoolOptions

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sizing.md"
#: Beside the pool: one connection listens, one tells.
OUTSIDE = 2
RESERVED = 3 + 2
POOLER = 20


def test_connections_are_added_up() -> None:
    text = PAGE.read_text()
    rows = [
        [int(cell) for cell in found]
        for found in re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    ]
    assert len(rows) == 5
    assert f"POOL_MAX {PoolOptions().max_size} |" in text
    for replicas, whole, half, pooled in rows:
        rolling = replicas + 1
        assert whole == rolling * (PoolOptions().max_size + OUTSIDE) + RESERVED
        assert half == rolling * (8 + OUTSIDE) + RESERVED
        assert pooled == POOLER + rolling * OUTSIDE + RESERVED
