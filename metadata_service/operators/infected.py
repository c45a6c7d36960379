"""Infected contents of all users, for admins, page by page."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Row
from metadata_service.db.paging import PageTokens, page_size
from metadata_service.db.timestamps import to_proto
from strongroom.metadata.v1.infected_pb2 import InfectedContent, ListInfectedRequest, ListInfectedResponse
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_INFECTED

PAGE: Final = (100, 1000)
_NO_ID: Final = str(UUID(int=0))
_PAGE: Final = f"""
SELECT scans.owner_id, scans.blob_id::text, blobs.key, files.id::text, files.filename,
    coalesce(blobs.size_bytes, 0), scans.signature, scans.database, scans.scanned_at
FROM scans JOIN blobs ON blobs.owner_id = scans.owner_id AND blobs.id = scans.blob_id
LEFT JOIN files ON files.owner_id = scans.owner_id AND files.blob_id = scans.blob_id
WHERE scans.outcome = {SCAN_OUTCOME_INFECTED} AND blobs.state = {COMMITTED}
    AND (%(owner)s::text = '' OR scans.owner_id = %(owner)s)
    AND (scans.owner_id, scans.blob_id) > (%(after_owner)s::text, %(after)s::uuid)
ORDER BY scans.owner_id, scans.blob_id LIMIT %(limit)s
"""


class Infected:
    """One instance per process."""

    def __init__(self, database: Database, tokens: PageTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def page(self, request: ListInfectedRequest) -> ListInfectedResponse:
        """One page, by owner. Raises InvalidPageToken."""
        query, token = ["ListInfected", request.user_id], request.page_token
        after_owner, after = self._tokens.open(query, token, parts=2) if token else ("", _NO_ID)
        limit = page_size(request.page_size, default=PAGE[0], largest=PAGE[1])
        params = {"owner": request.user_id, "after_owner": after_owner, "after": after, "limit": limit + 1}
        rows = await self._database.read(SYSTEM, _PAGE, params)
        response = ListInfectedResponse(contents=[_content(row) for row in rows[:limit]])
        if len(rows) > limit:
            response.next_page_token = self._tokens.seal(query, [rows[limit - 1][0], rows[limit - 1][1]])
        return response


def _content(row: Row) -> InfectedContent:
    owner_id, _, key, file_id, filename, size, signature, database, scanned_at = row
    return InfectedContent(
        owner_id=owner_id,
        key=key,
        file_id=file_id or "",
        filename=filename or key.rpartition("/")[2],
        size_bytes=size,
        signature=signature,
        database=database,
        scan_time=to_proto(scanned_at),
    )
