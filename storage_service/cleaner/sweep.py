"""Aborts open multipart uploads that no attempt owns any more.

A crash between CreateMultipartUpload and T2 leaves such an upload, and so does a create that the store
applied late or twice.

Most of them are removed with their attempt, because its key is exclusive. At a shared key (paths, projects)
the owner of an upload can't be determined; but once no attempt at the key may still write, the upload has no
owner. Keys without a row are never touched: the bucket may contain other objects.

Uploads with parts are left alone, too. Parts are sent only after T2, so such an upload is recorded, and is
ended with its attempt. Swift also keeps listing a completed upload if it fails right after writing the
manifest; aborting that upload would delete the parts of a committed object.
"""

from __future__ import annotations

import structlog

from storage_service.failing_items import FailingItems
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.errors import StoreError, UploadNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedUpload

log = structlog.get_logger(__name__)

MOST_KEYS = 1000


class UploadSweep:
    """Lists all open uploads of the bucket and aborts those without an owner. A loop repeats it."""

    def __init__(self, store: ObjectStore, keys: Reservations) -> None:
        self._store = store
        self._keys = keys
        self._items = FailingItems("upload_sweep_failed", "upload_sweeps_again")

    async def run_once(self) -> bool:
        """One sweep. Always returns False. Raises StoreError, StrongroomError.

        The listing comes first: an upload begun later is not in it, and its attempt counts as a writer.
        """
        uploads = await self._store.list_uploads("")
        for at in range(0, len(uploads), MOST_KEYS):
            batch = uploads[at : at + MOST_KEYS]
            settled = await self._keys.filter_settled_keys(sorted({upload.key for upload in batch}))
            for upload in batch:
                if upload.key in settled:
                    await self._abort_safely(upload)
        return False

    async def _abort_safely(self, upload: ListedUpload) -> None:
        """Abort an upload. A failure leaves it to the next sweep, and does not stop this one."""
        try:
            await self._abort(upload)
        except StoreError as error:
            self._items.failed(error)
        except Exception:
            log.exception("upload_sweep_failed")
        else:
            self._items.well()

    async def _abort(self, upload: ListedUpload) -> None:
        try:
            if await self._store.list_parts(upload.key, upload.upload_id):
                return
            await self._store.abort(upload.key, upload.upload_id)
        except UploadNotFound:
            return
        log.info("upload_sweep_aborted", initiated=upload.initiated.isoformat())
