"""The INSERT of T1, with the columns of the new attempt as parameters."""

from __future__ import annotations

from typing import Final

from metadata_service.blobs import inserts
from metadata_service.blobs.rows import COLUMNS
from metadata_service.files.families import TIMESTAMP_KEY

_AS_GIVEN: Final = (
    *("kind", "key", "key_shared", "part_size", "content_type", "spec", "request_id"),
    *("reserved_bytes", "reserved_files", "storage_class", "traceparent"),
)
#: A FROM or WHERE clause may follow.
INSERT: Final = inserts.pending(
    {
        "owner_id": "%(owner)s",
        "id": "%(id)s",
        **{name: f"%({name})s" for name in _AS_GIVEN},
        "object_metadata": f"%(object_metadata)s || jsonb_build_object('{TIMESTAMP_KEY}',"
        """ to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))""",
        "lease_expires_at": "now() + make_interval(secs => %(lease)s)",
    }
)
#: Returns the columns of BlobRow.
RETURNING: Final = f" RETURNING {COLUMNS}"
