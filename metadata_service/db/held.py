"""What the triggers of migration 0024 say when something that is kept or held was to go, as an error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from servicekit.moments import rfc3339
from strongroom.errors import RetentionHeld

#: Their SQLSTATE.
HELD_STATE: Final = "SR423"


def retention_held(detail: str) -> RetentionHeld:
    """The refusal, in the words of whoever has tried. `detail`: JSON with `name`, `until`, `hold`, `reason`,
    `by_admin`.
    """
    said = json.loads(detail)
    name, metadata = said["name"], {}
    if said["until"] is not None:
        until = datetime.fromisoformat(said["until"])
        if not said["hold"] or until > datetime.now(UTC):
            metadata["until"] = rfc3339(until, "seconds")
    if not said["hold"]:
        text = f"{name} is kept until {metadata['until']}; it can be deleted or replaced from then on."
        return RetentionHeld(text, metadata=metadata)
    reason = f" ({said['reason']})" if said["reason"] else ""
    who = "an admin" if said["by_admin"] else "its owner or an admin"
    text = f"{name} is on legal hold{reason}; it can be deleted or replaced once {who} has lifted the hold."
    if "until" in metadata:
        text += f" It is kept until {metadata['until']} besides."
    return RetentionHeld(text, metadata={**metadata, "hold": "true"})
