"""Translates names of fields into those that callers use.

Services name fields as in their protos: ``spec.target.event_media.description``. That suits callers of gRPC.
REST, SDK and command line don't have these shapes: there the field is ``description``, at any place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from strongroom.errors.base import StrongroomError, Violation

#: Messages around the fields that callers know; they have no fields of these names themselves.
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
"""Start of a key of a map, which the caller has chosen and which may contain anything."""
#: Names in protos, and their names in Python and on the command line.
PYTHON_NAMES: Final[Mapping[str, str]] = {"settings_json": "settings"}


def callers_name(path: str, names: Mapping[str, str]) -> str:
    """Return ``settings`` for ``spec.target.generation.settings_json``, ``items[2].path`` for
    ``items[2].spec.target.path.path``.

    ``names``: other names for single fields.
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
    """Change the names of fields in the error's message, metadata and violations, and return it."""
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
