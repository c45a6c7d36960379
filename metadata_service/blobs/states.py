"""States and kinds of a blob by name, for Python and for SQL; the numbers are those of `metadata.v1`.

Statements contain them as literals (`f"state = {PENDING}"`), not as parameters, so that the planner can use
the partial indexes.
"""

from __future__ import annotations

from typing import Final

from strongroom.metadata.v1 import blob_pb2

PENDING: Final = blob_pb2.BLOB_STATE_PENDING
COMPLETING: Final = blob_pb2.BLOB_STATE_COMPLETING
COMMITTED: Final = blob_pb2.BLOB_STATE_COMMITTED
DELETING: Final = blob_pb2.BLOB_STATE_DELETING
ABORTING: Final = blob_pb2.BLOB_STATE_ABORTING
GONE: Final = blob_pb2.BLOB_STATE_GONE

SINGLE: Final = blob_pb2.BLOB_KIND_SINGLE
MULTIPART: Final = blob_pb2.BLOB_KIND_MULTIPART
COPY: Final = blob_pb2.BLOB_KIND_COPY
LEFTOVERS: Final = blob_pb2.BLOB_KIND_LEFTOVERS

#: For IN: attempts that may still be committed. Indexes and reservations call these "open".
OPEN: Final = f"({PENDING}, {COMPLETING})"
#: For IN: states that the cleaner removes.
TO_CLEAN: Final = f"({DELETING}, {ABORTING}, {GONE})"
