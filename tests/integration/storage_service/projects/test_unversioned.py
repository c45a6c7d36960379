"""A bucket without versioning: projects refuse it, and say how to enable versioning."""

from __future__ import annotations

import pytest

from strongroom.errors import BucketNotVersioned
from tests.integration.storage_service.projects.client import ProjectClient, zipped

VERSIONED = False


async def test_saves_are_refused_until_versioning_is_on(client: ProjectClient) -> None:
    for attempt in (client.save({"a": b"1"}), client.save_archive(zipped({"a": b"1"})), client.roll_back(1)):
        with pytest.raises(BucketNotVersioned) as caught:
            await attempt
        assert "only its operator can turn them on" in caught.value.message
    rows = client.services.logins.rows("SELECT count(*) FROM blobs WHERE owner_id = %s", client.owner)
    assert rows == [(0,)]
    client.services.s3.put_bucket_versioning(
        Bucket=client.services.entry.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    await client.save({"a": b"1"})
    assert await client.content() == {"a": b"1"}
