"""Links: the file that a link reads, and revocation.

A link needs no row. Its token contains the file's stamp: its content, and how often links to the file and to
all files of the owner had been revoked. The link is valid while the file has this stamp, so a revocation or a
replacement takes effect everywhere with its commit.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.db.database import Database, Transaction, user
from metadata_service.files.deletion import not_found
from metadata_service.files.queries import FileQueries
from metadata_service.files.rows import NOT_PURGED
from strongroom.metadata.v1.file_pb2 import File, LinkStamp

_EPOCH: Final = "coalesce((SELECT epoch FROM link_epochs WHERE link_epochs.owner_id = {}.owner_id), 0)"
#: SQL expressions: how often all links of the owner of `done`, or of the row of `blobs`, were revoked.
EPOCH_OF_DONE: Final = _EPOCH.format("done")
EPOCH_OF_BLOB: Final = _EPOCH.format("blobs")
_REVOKE_ALL: Final = """
INSERT INTO link_epochs (owner_id, epoch) VALUES (%s, 1)
ON CONFLICT (owner_id) DO UPDATE SET epoch = link_epochs.epoch + 1
"""
_REVOKE: Final = f"""
UPDATE files SET link_epoch = link_epoch + 1 WHERE owner_id = %(owner)s AND {NOT_PURGED}
"""
_REVOKE_BY_ID: Final = f"{_REVOKE} AND id = %(id)s RETURNING id::text"
_REVOKE_BY_KEY: Final = f"{_REVOKE} AND key = %(key)s RETURNING id::text"


class Links:
    """Reads linked files and revokes links."""

    def __init__(self, database: Database, files: FileQueries) -> None:
        self._database = database
        self._files = files

    async def linked_file(self, owner_id: str, file_id: UUID, stamp: LinkStamp) -> File:
        """The file that a link with this stamp reads, in one query. Raises FileNotFound."""
        file = await self._files.by_id(owner_id, file_id)
        found = file.link_stamp
        same_content = not stamp.content_id or stamp.content_id == found.content_id
        epochs = (stamp.file_epoch, stamp.owner_epoch)
        if not same_content or epochs != (found.file_epoch, found.owner_epoch):
            raise not_found()
        return file

    async def revoke(self, owner_id: str, *, file_id: UUID | None = None, key: str = "") -> str:
        """Revoke the links to one file, which may be in the trash. Returns its id. Raises FileNotFound."""
        params: dict[str, object] = {"owner": owner_id}
        query = _REVOKE_BY_KEY if file_id is None else _REVOKE_BY_ID
        params |= {"key": key} if file_id is None else {"id": file_id}

        async def work(tx: Transaction) -> str:
            row = await tx.fetch_one(query, params)
            if row is None:
                raise not_found()
            revoked: str = row[0]
            return revoked

        return await self._database.transact(user(owner_id), work)

    async def revoke_all(self, owner_id: str) -> None:
        """Revoke the links to all files of the owner."""

        async def work(tx: Transaction) -> None:
            await tx.execute(_REVOKE_ALL, (owner_id,))

        await self._database.transact(user(owner_id), work)
