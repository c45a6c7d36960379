"""Fields by the names that callers gave them.

Services name fields as their protos do: ``spec.target.event_media.description``. That is right for whoever
speaks gRPC. REST, SDK and command line have no such shapes: there it is ``description``, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from strongroom.errors.base import StrongroomError, Violation

#: Messages around the fields that callers know, which have none of the names themselves.
_AROUND: Final = frozenset(
    {
        "entries",
        "event_media",
        "file",
        "filter",
        "generation",
        "label",
        "profile_picture",
        "project",
        "project_file",
        "scope",
        "source",
        "spec",
        "target",
        "temp",
    }
)
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_KEY: Final = re.compile(r"\[(?!\d+\])")
"""Where a caller's own key of a map begins, which may hold anything."""
#: Names of protos, and the same in Python and on the command line.
PYTHON_NAMES: Final[Mapping[str, str]] = {"settings_json": "settings"}


def callers_name(path: str, names: Mapping[str, str]) -> str:
    """``spec.target.generation.settings_json`` → ``settings``; ``items[2].spec.target.path.path`` →
    ``items[2].path``. ``names``: what single fields are called instead.
    """
    key = _KEY.search(path)
    end = key.start() if key else len(path)
    *around, last = path[:end].split(".")
    kept = [one for one in around if one not in _AROUND and not (one == "path" and last == "path")]
    name = _NAME.match(last)
    if name is not None and name[0] in names:
        last = names[name[0]] + last[name.end() :]
    return ".".join([*kept, last]) + path[end:]


def with_callers_names(error: StrongroomError, names: Mapping[str, str]) -> StrongroomError:
    """``error`` itself, its message, metadata and violations naming fields as callers do."""
    paths = {one.field for one in error.violations} | {error.metadata.get("field", "")}
    renamed = {path: new for path in paths if path and (new := callers_name(path, names)) != path}
    if not renamed:
        return error
    old = re.compile(
        rf"(?<![\w.])(?:{'|'.join(re.escape(path) for path in sorted(renamed, key=len, reverse=True))})(?!\w)"
    )

    def rewritten(text: str) -> str:
        return old.sub(lambda found: renamed[found[0]], text)

    error.message = rewritten(error.message)
    error.args = (error.message,)
    if error.metadata.get("field") in renamed:
        error.metadata["field"] = renamed[error.metadata["field"]]
    error.violations = tuple(
        Violation(renamed.get(one.field, one.field), one.rule, rewritten(one.message))
        for one in error.violations
    )
    return error
