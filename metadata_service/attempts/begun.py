"""What T1 has written, kept until T4 asks: so that T4 can write the file in the statement that compares and
sets, instead of reading the attempt first.

Nothing is believed because it stands here: the statement compares. An attempt that is not here, because
another process has begun it or it was pushed out, costs T4 one round trip more. So it is with owners for whom
a group is of no use.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final
from uuid import UUID

from metadata_service.blobs.rows import BlobRow

#: Together at most 16 MiB.
ATTEMPTS: Final = 2048
SPEC_BYTES: Final = 8192
#: So long an owner for whom a group is of no use is not tried in one again. Seconds.
REFUSED_SECONDS: Final = 30.0


class Begun:
    """The newest attempts of this process."""

    def __init__(self, room: int = ATTEMPTS) -> None:
        self._room = room
        self._rows: OrderedDict[tuple[str, UUID], BlobRow] = OrderedDict()

    def add(self, blob: BlobRow) -> None:
        """Keep it, unless its spec is large; the oldest goes when there are too many."""
        if len(blob.spec) > SPEC_BYTES:
            return
        self._rows[blob.owner_id, blob.id] = blob
        if len(self._rows) > self._room:
            self._rows.popitem(last=False)

    def take(self, owner_id: str, blob_id: UUID) -> BlobRow | None:
        """The attempt as it was begun, once."""
        return self._rows.pop((owner_id, blob_id), None)


class Refused:
    """Owners whose attempts a group could not write of late: they have limits, or have failed it for all."""

    def __init__(self, room: int = ATTEMPTS) -> None:
        self._room = room
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, owner_id: str) -> None:
        """It was tried in vain just now."""
        self._until[owner_id] = time.monotonic() + REFUSED_SECONDS
        self._until.move_to_end(owner_id)
        if len(self._until) > self._room:
            self._until.popitem(last=False)

    def has(self, owner_id: str) -> bool:
        """Whether it need not be tried now."""
        until = self._until.get(owner_id)
        return until is not None and time.monotonic() < until
