"""Which source a plan, or a word of the command line, means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongroom.migrate.layouts import Layout
from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.sources.directory import Directory
from strongroom.migrate.sources.source import Source


def reopened(described: Mapping[str, Any]) -> Source:
    """The source of a plan.

    :raises PlanProblem: it can't be opened, or is of a kind that this release does not know.
    """
    match described.get("kind"):
        case "directory":
            depth = described.get("depth")
            return Directory(Path(str(described["root"])), int(depth) if depth is not None else None)
    raise PlanProblem(
        f"this release knows no source of kind {described.get('kind')!r}; run it with a newer one"
    )


def directory(root: Path, family: str, layout: Layout | None) -> Directory:
    """A folder; of projects each folder that the layout calls ``{slug}``, else each one right below."""
    if family != "project":
        return Directory(root)
    depth = layout.folder_depth() if layout is not None else 1
    if depth is None:
        raise PlanProblem(
            "--family project needs a --layout that ends in {slug}/{path}, such as {owner}/{slug}/{path}"
        )
    return Directory(root, depth)
