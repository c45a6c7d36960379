"""A reader meets an archived object, and an event says when it can be read: S3 (moto), the reader, the watch
and metadata_service.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

from servicekit.auth.credentials import InternalCredential
from servicekit.background import Heartbeat
from storage_service.metadata.contents import ArchiveRecords
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.committed import Committed, CommittedReader
from storage_service.reading.restores import RestoreWatch
from strongroom.errors import ObjectArchived
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READABLE, EVENT_TYPE_FILE_READY
from tests.databases import Logins
from tests.integration.metadata_service.events.test_reader import next_event, watching
from tests.integration.metadata_service.serving import INTERNAL_SECRET, serve
from tests.unit.storage_service.reading.reports import Reports

BODY = b"old bytes!"
LOOKS = 3


@pytest.fixture
async def store() -> AsyncIterator[ObjectStore]:
    """A store that archives every object, and restores it at the third look."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    state_manager.set_transition("s3::keyrestore", {"progression": "manual", "times": LOOKS})
    host, port = server.get_host_and_port()
    opened = open_s3_store(
        S3Options(
            bucket="archived",
            endpoint_url=f"http://{host}:{port}",
            access_key_id="moto",
            secret_access_key="moto",
            storage_class="GLACIER",
        )
    )
    try:
        await opened.setup.create()
        yield opened
    finally:
        await opened.aclose()
        state_manager.unset_transition("s3::keyrestore")
        server.stop()


async def test_its_owner_hears_that_it_has_come_back(store: ObjectStore, module_database: Logins) -> None:
    async with serve(module_database) as metadata:
        ada = metadata.user("ada")
        file = await ada.upload()
        put = await store.put(
            file.key, [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=ObjectAttributes()
        )
        what = Committed(ObjectRef(file.key), put.etag, len(BODY), crc32c_of([BODY]))
        records = ArchiveRecords(metadata.channel, InternalCredential(INTERNAL_SECRET))
        archived = ArchivedObjects(store, records)
        reader = CommittedReader(store, Reports(), archived)
        watch = RestoreWatch(store, records, Heartbeat("restores", 60), often_seconds=0.001)
        async with watching(ada) as events:
            for _ in range(2):
                with pytest.raises(ObjectArchived):
                    async with reader.open(what):
                        pass
            await archived.aclose()
            looks = 0
            while module_database.rows("SELECT FROM archive_restores"):
                await watch.run_once()
                looks += 1
            assert looks > 1, "the first look found it under way"
            while (event := await next_event(events)).type == EVENT_TYPE_FILE_READY:
                pass
        async with reader.open(what) as body:
            assert b"".join([bytes(piece) async for piece in body]) == BODY
    assert (event.type, event.subject_id) == (EVENT_TYPE_FILE_READABLE, file.id)
    assert json.loads(event.payload_json)["readable_until"].endswith("Z")
