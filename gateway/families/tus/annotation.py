"""What tus itself wants to remember of an upload: its headers as sent. Kept with the session, opaque to
the engine.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, Self

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Annotation:
    """``metadata``: Upload-Metadata; ``concat``: Upload-Concat of a final upload. Empty: not sent."""

    metadata: str = ""
    concat: str = ""

    def encode(self) -> bytes:
        """For CreateUpload and ConcatenateUploads."""
        values = {"metadata": self.metadata, "concat": self.concat}
        return json.dumps({"tus": {name: value for name, value in values.items() if value}}).encode("ascii")

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """From a session. One that was begun through another door has none, and may hold anything in its
        place: only what
        may stand in a header gets through.
        """
        try:
            found = json.loads(raw)["tus"] if raw else {}
            return cls(_safe(found.get("metadata")), _safe(found.get("concat")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls()


def _safe(value: object) -> str:
    return value if isinstance(value, str) and _PRINTABLE.fullmatch(value) else ""
