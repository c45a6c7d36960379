"""Small internal JSON documents in the bucket: its installation, and manifests of the quarantine."""

from __future__ import annotations

from typing import Final

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes, ObjectRef

JSON: Final = ObjectAttributes(content_type="application/json")


async def read_document(store: ObjectStore, key: str, most: int) -> bytes | None:
    """The first ``most`` bytes of a document; None: there is none. Raises StoreError."""
    try:
        async with store.open(ObjectRef(key), length=most) as stream:
            return b"".join([piece async for piece in stream])
    except ObjectNotFound:
        return None


async def write_document(store: ObjectStore, key: str, body: bytes) -> None:
    """Write a document, or replace it. Raises StoreError."""
    await store.put(key, [body], size=len(body), crc32c=checksums.crc32c_of([body]), attrs=JSON)
