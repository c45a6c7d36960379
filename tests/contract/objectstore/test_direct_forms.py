"""Browser forms of direct uploads, posted like a page does.

No available store both accepts forms and checks their policies: moto accepts them, and this module evaluates
policies by S3's rules ("POST policy": every field of the form, with few exceptions, must meet a condition).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import google_crc32c
import httpx
import pytest

from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import Attempts, WriteEngine
from storage_service.attempts.versioning import VersioningGate
from storage_service.content.body import Limits, SizeRule
from storage_service.content.types import ContentRules
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.committed import CommittedReader
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.scanner import Scanner
from storage_service.sessions.assembly import SessionParts, SessionUseCases
from strongroom.errors import (
    ChecksumMismatch,
    ContentTypeMismatch,
    SizeMismatch,
    StrongroomError,
    UploadIncomplete,
)
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.direct_pb2 import CompleteUploadRequest, SignUploadRequest, SignUploadResponse
from tests.contract.objectstore.backends import having
from tests.contract.objectstore.bodies import read
from tests.unit.storage_service.reading.reports import Reports
from tests.unit.storage_service.sessions.state import MemoryState

forms = pytest.mark.parametrize("backend", having("forms"), indirect=True)
BODY = b"seven bytes, and some more"
EXEMPT = {"file", "policy", "x-amz-signature"}


@pytest.fixture
def direct(store: ObjectStore) -> SessionUseCases:
    """The session use cases on this store."""
    state = MemoryState()
    engine = WriteEngine(VersioningGate(store), lease_seconds=60.0, wake_cleaner=lambda: None)
    parts = SessionParts(
        store=store,
        objects=CommittedReader(store, Reports()),
        gate=engine.gate,
        state=state,
        reservations=state,
        attempts=Attempts(state, engine),
        budget=ByteBudget(1 << 30),
        limits=Limits({"file": SizeRule("files", 1 << 40)}, min_part_bytes=8 << 20),
        content=ContentRules({}),
        scanner=Scanner(None, ScanMetrics()),
    )
    return SessionUseCases(parts)


async def sign(
    direct: SessionUseCases, content_type: str = "text/plain", crc32c: int | None = None
) -> SignUploadResponse:
    spec = UploadSpec(
        target=UploadTarget(file=FileTarget()),
        size_bytes=len(BODY),
        content_type=content_type,
        filename="a.txt",
    )
    if crc32c is not None:
        spec.checksums.crc32c = crc32c
    return await direct.direct.sign(SignUploadRequest(spec=spec))


async def post(signed: SignUploadResponse, body: bytes, **fields: str) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        data = {**signed.post_fields, **fields}
        answer = await client.post(signed.post_url, data=data, files={"file": ("a.txt", body)})
    assert answer.status_code == 201, answer.text


def allows(fields: Mapping[str, str], size: int, at: datetime | None = None) -> bool:
    """Whether S3 would accept a form with these fields and a file of this size."""
    policy = json.loads(base64.b64decode(fields["policy"]))
    if (at or datetime.now(UTC)) > datetime.fromisoformat(policy["expiration"]):
        return False
    exact = {
        name.lower(): text
        for one in policy["conditions"] if isinstance(one, dict)
        for name, text in one.items()
    }  # fmt: skip
    ranges = [
        one[1:] for one in policy["conditions"] if isinstance(one, list) and one[0] == "content-length-range"
    ]
    sent = {name.lower(): text for name, text in fields.items() if name.lower() not in EXEMPT}
    sent["bucket"] = exact["bucket"]  # from the address
    return sent == exact and len(ranges) == 1 and ranges[0][0] <= size <= ranges[0][1]


@forms
async def test_a_posted_form_becomes_the_file(direct: SessionUseCases, store: ObjectStore) -> None:
    crc32c = google_crc32c.value(BODY)
    signed = await sign(direct, crc32c=crc32c)
    with pytest.raises(UploadIncomplete):
        await direct.direct.complete(CompleteUploadRequest(upload_id=signed.upload_id))
    await post(signed, BODY)
    file = await direct.direct.complete(CompleteUploadRequest(upload_id=signed.upload_id))
    assert (file.size_bytes, file.crc32c) == (len(BODY), crc32c)
    assert await read(store, file.key) == BODY
    again = await direct.direct.complete(CompleteUploadRequest(upload_id=signed.upload_id))
    assert again.id == file.id


@forms
async def test_the_policy_binds_every_field_and_the_size(direct: SessionUseCases) -> None:
    fields = dict((await sign(direct)).post_fields)
    assert allows(fields, len(BODY))
    assert not allows(fields, len(BODY) - 1)
    assert not allows(fields, len(BODY) + 1)
    assert not allows(fields, len(BODY), datetime.now(UTC) + timedelta(days=2))
    for name in set(fields) - EXEMPT:
        assert not allows(fields | {name: "other"}, len(BODY)), f"{name} can be changed"
        assert not allows({key: text for key, text in fields.items() if key != name}, len(BODY))
    assert not allows(fields | {"x-amz-meta-more": "1"}, len(BODY))
    assert {name.lower() for name in fields} >= {"key", "content-type", "x-amz-meta-strongroom-attempt"}


@forms
@pytest.mark.parametrize(
    ("content_type", "body", "crc32c", "refused"),
    [
        ("text/plain", BODY[:-1], None, SizeMismatch),
        ("text/plain", BODY + b"!", None, SizeMismatch),
        ("image/png", BODY, None, ContentTypeMismatch),
        ("text/plain", BODY[::-1], google_crc32c.value(BODY), ChecksumMismatch),
    ],
    ids=["short", "long", "type", "checksum"],
)
async def test_a_store_that_checks_nothing_is_checked(
    direct: SessionUseCases,
    content_type: str,
    body: bytes,
    crc32c: int | None,
    refused: type[StrongroomError],
) -> None:
    signed = await sign(direct, content_type, crc32c)
    await post(signed, body)
    with pytest.raises(refused):
        await direct.direct.complete(CompleteUploadRequest(upload_id=signed.upload_id))


@forms
async def test_an_object_of_another_attempt_is_refused(direct: SessionUseCases) -> None:
    signed = await sign(direct)
    await post(signed, BODY, **{"x-amz-meta-strongroom-attempt": "another"})
    with pytest.raises(ChecksumMismatch):
        await direct.direct.complete(CompleteUploadRequest(upload_id=signed.upload_id))
