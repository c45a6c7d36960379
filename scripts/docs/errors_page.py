"""The reference of errors: every reason, from ``ErrorReason`` and the exceptions of ``strongroom.errors``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.docs import descriptors
from scripts.docs.text import code, page, table
from strongroom.errors import REASONS

INTRODUCTION: Final = """Why a call failed and what to do, in one word that a program can act on: `code` of
`application/problem+json` over REST, `reason` of `google.rpc.ErrorInfo` (domain `strongroom`) over gRPC,
`code` of the command line's `--json` and of the TypeScript client's `StrongroomError`, and in Python the
class of the exception in `strongroom.errors`. The last column has the keys of its `metadata`."""
_PREFIX: Final = "ERROR_REASON_"
_COMMENT: Final = re.compile(
    r"^(?P<grpc>[A-Z_]+), (?P<http>\d{3})\. (?P<text>.*?)(?: \{(?P<keys>[^}]*)\})?$", re.DOTALL
)


def written(root: Path) -> str:
    """The page as Markdown."""
    columns = ("code", "HTTP", "gRPC", "exception", "what it means, what to do", "metadata")
    return page("Errors", INTRODUCTION, [table(columns, sorted(_rows(root)))])


def _rows(root: Path) -> Iterator[tuple[str, ...]]:
    for file in descriptors.files(root):
        said = descriptors.comments(file)
        for index, enum in enumerate(file.enum_type):
            if enum.name != "ErrorReason":
                continue
            for at, value in enumerate(enum.value):
                if value.number:
                    path = (descriptors.ENUM_OF_FILE, index, descriptors.VALUE_OF_ENUM, at)
                    yield _row(value.name.removeprefix(_PREFIX), value.number, " ".join(said[path].split()))


def _row(reason: str, number: int, comment: str) -> tuple[str, ...]:
    found = _COMMENT.match(comment)
    if found is None:
        raise SystemExit(f"the comment of {reason} does not begin with its two statuses: {comment}")
    keys = ", ".join(code(key.strip()) for key in (found["keys"] or "").split(",") if key.strip())
    kind = REASONS[number].__name__
    return code(reason), found["http"], code(found["grpc"]), code(kind), found["text"], keys
