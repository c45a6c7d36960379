"""Print the table, or the rows whose name begins with an argument."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.parts.groups import GROUPS
from benchmarks.parts.lines import LINES
from benchmarks.parts.measured import Part
from benchmarks.parts.messages import MESSAGES
from benchmarks.parts.server import SERVER

ROUNDS = 5
PARTS: Sequence[Part] = (*LINES, *MESSAGES, *SERVER, *GROUPS)


def main(wanted: list[str]) -> None:
    """Measure and print."""
    print("| part | decision | unit | with | without | saved |")
    print("|---|---|---|---|---|---|")
    for part in PARTS:
        if wanted and not any(part.name.startswith(name) for name in wanted):
            continue
        found = part.measure(ROUNDS)
        saved = found.without - found.with_
        print(
            f"| {part.name} | {part.decision} | {part.unit} | {found.with_:.3g} | {found.without:.3g}"
            f" | {saved:.3g} ({saved / found.without:.0%}) |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
