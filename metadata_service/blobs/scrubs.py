"""SQL of the scrub, which reads committed bytes back: claims, results and marks. Changes no state and no
lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from metadata_service.blobs.states import COMMITTED
from metadata_service.db import rotation
from metadata_service.db.database import Statement

#: `claim`: seconds after which another process may take these rows, if this one has died.
CLAIM: Final = f"""
WITH due AS MATERIALIZED ({
    rotation.new_before_due(f"SELECT owner_id, id FROM blobs WHERE state = {COMMITTED}", "scrub_after")
})
UPDATE blobs SET scrub_after = now() + make_interval(secs => %(claim)s)
FROM due WHERE blobs.owner_id = due.owner_id AND blobs.id = due.id AND blobs.state = {COMMITTED}
RETURNING blobs.key, blobs.owner_id, blobs.id
"""
_CHECKED: Final = f"""
UPDATE blobs SET damage = %(damage)s, scrubbed_at = CASE WHEN %(damage)s::smallint IS NULL THEN now()
        ELSE scrubbed_at END,
    scrub_after = now() + make_interval(secs => %(pause)s)
WHERE owner_id = %(owner)s AND id = %(id)s AND state = {COMMITTED}
"""

_MARK: Final = f"""
UPDATE blobs SET damage = %(damage)s::smallint
WHERE owner_id = %(owner)s AND id = %(id)s AND state = {COMMITTED} AND version_id = %(version_id)s
"""


def mark(values: Mapping[str, object]) -> Statement:
    """The statement that marks the blob `owner`, `id`, committed as `version_id`, with `damage` (None: no
    damage).
    """
    return _MARK, values


def checked(values: Mapping[str, object]) -> Statement:
    """The statement that records a scrub of the blob `owner`, `id`, with the `damage` found (None: none).

    The blob is due again after `pause` seconds.
    """
    return _CHECKED, values
