"""``python -m strongroom.cli``."""

from __future__ import annotations

from strongroom.cli import main

main()
