"""A store in front of a scripted server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from storage_service.objectstore import checksums
from storage_service.objectstore.s3.store import S3ObjectStore, open_s3_store
from storage_service.objectstore.values import ObjectAttributes, PutResult
from tests.unit.storage_service.objectstore.s3.scripted_server import ScriptedServer, Step

ATTRS = ObjectAttributes(content_type="text/plain", metadata={"strongroom-attempt": "a-1"})
BODY = b"some body"
CRC = checksums.crc32c_of([BODY])
CRC64 = checksums.to_base64(CRC)


async def put_body(store: S3ObjectStore, *, if_none_match: bool = False) -> PutResult:
    return await store.put(
        "key", [BODY[:4], BODY[4:]], size=len(BODY), crc32c=CRC, attrs=ATTRS, if_none_match=if_none_match
    )


@asynccontextmanager
async def scripted(
    *steps: Step,
    early: bool = False,
    tls: ssl.SSLContext | None = None,
    on_mid_body: Callable[[str], None] | None = None,
    **options: object,
) -> AsyncIterator[tuple[S3ObjectStore, ScriptedServer]]:
    """Yield a store whose server follows the steps, and the server."""
    with ScriptedServer(list(steps), early=early, tls=tls).running() as server:
        store = open_s3_store(server.options(**options), on_mid_body=on_mid_body)
        try:
            yield store, server
        finally:
            await store.aclose()
