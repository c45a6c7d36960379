"""The services over gRPC: shapes, rights, and who may see what."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode

from strongroom.errors import (
    FileNotFound,
    InvalidField,
    InvalidPageToken,
    PermissionDenied,
    PreconditionFailed,
    TokenMissing,
    UploadSuperseded,
    UserMismatch,
)
from strongroom.metadata.v1 import blob_pb2, file_pb2
from strongroom.metadata.v1 import file_service_pb2 as files
from strongroom.metadata.v1 import reservation_service_pb2 as reservations
from strongroom.metadata.v1 import usage_service_pb2 as usage
from strongroom.metadata.v1.file_pb2 import File
from tests.databases import Logins
from tests.integration.metadata_service.serving import Caller, Server, refusal, serve
from tests.integration.metadata_service.world import CRC, MULTIPART, SINGLE, plain_spec


@pytest.fixture
async def server(module_database: Logins) -> AsyncIterator[Server]:
    async with serve(module_database) as running:
        yield running


def handle_of(blob: blob_pb2.Blob) -> reservations.BlobHandle:
    return reservations.BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=blob.owner_id)


async def test_a_files_whole_life(server: Server, owner: str) -> None:
    ada = server.user(owner)
    file = await ada.upload()
    by_id = await ada.files("GetFile", files.GetFileRequest(file_id=file.id))
    by_key = await ada.files("GetFile", files.GetFileRequest(key=file.key))
    assert by_id.file == by_key.file == file
    assert list((await ada.files("ListFiles", files.ListFilesRequest())).files) == [file]
    edit = files.UpdateFileRequest(
        file_id=file.id, filename="new.txt", visibility=file_pb2.VISIBILITY_PUBLIC, if_generation_match=1
    )
    edited = (await ada.files("UpdateFile", edit)).file
    assert (edited.filename, edited.generation, edited.visibility) == (
        "new.txt",
        2,
        file_pb2.VISIBILITY_PUBLIC,
    )
    assert isinstance(await refusal(ada.files("UpdateFile", edit)), PreconditionFailed)
    deletion = reservations.DeleteFileRequest(key=file.key, soft=True, if_generation_match=2)
    gone = (await ada.reservations("DeleteFile", deletion)).file
    assert gone.HasField("purge_time")
    back = (await ada.files("UndeleteFile", files.UndeleteFileRequest(file_id=file.id))).file
    assert back == edited
    await ada.reservations("DeleteFile", reservations.DeleteFileRequest(file_id=file.id))
    again = await refusal(ada.reservations("DeleteFile", reservations.DeleteFileRequest(file_id=file.id)))
    assert isinstance(again, FileNotFound)


async def test_a_multipart_attempt_step_by_step(server: Server, owner: str) -> None:
    ada, storage = server.user(owner), server.service()
    request = reservations.ReserveRequest(spec=plain_spec(), kind=MULTIPART, part_size_bytes=8)
    blob = (await ada.reservations("Reserve", request)).blob
    held = handle_of(blob)
    await storage.reservations(
        "RecordMultipart", reservations.RecordMultipartRequest(blob=held, upload_id="mpu")
    )
    renewed = await storage.reservations("RenewLease", reservations.RenewLeaseRequest(blob=held))
    assert renewed.lease.seconds == 10
    parts = [blob_pb2.Part(number=1, etag="e", size_bytes=10, crc32c=1)]
    completion = reservations.BeginCompletionRequest(blob=held, parts=parts, size_bytes=10, crc32c=CRC)
    await storage.reservations("BeginCompletion", completion)
    commit = reservations.CommitRequest(blob=held, size_bytes=10, crc32c=CRC, etag="e")
    file = (await storage.reservations("Commit", commit)).file
    assert (await ada.files("GetFile", files.GetFileRequest(file_id=file.id))).file == file


async def test_cleaning_step_by_step(database: Logins, owner: str) -> None:
    async with serve(
        database, read_grace_seconds=0, tombstone_grace_seconds=0, cleaner_retry_seconds=0
    ) as server:
        ada, storage = server.user(owner), server.service()
        file = await ada.upload()
        await ada.reservations("DeleteFile", reservations.DeleteFileRequest(file_id=file.id))
        keys = reservations.FilterSettledKeysRequest(keys=[file.key, "uploads/none"])
        assert list((await storage.reservations("FilterSettledKeys", keys)).keys) == [file.key]
        versions = reservations.FilterUnrecordedVersionsRequest(key="paths/none", version_ids=["v"])
        unrecorded = await storage.reservations("FilterUnrecordedVersions", versions)
        assert list(unrecorded.version_ids) == ["v"]
        for state in (blob_pb2.BLOB_STATE_DELETING, blob_pb2.BLOB_STATE_GONE):
            (blob,) = (await storage.reservations("ClaimWork", reservations.ClaimWorkRequest())).blobs
            assert (blob.state, blob.key) == (state, file.key)
            await storage.reservations("ReleaseWork", reservations.ReleaseWorkRequest(blob=handle_of(blob)))
            (blob,) = (await storage.reservations("ClaimWork", reservations.ClaimWorkRequest())).blobs
            removal = reservations.FinishRemovalRequest(blob=handle_of(blob), from_state=state)
            await storage.reservations("FinishRemoval", removal)
        assert not (await storage.reservations("ClaimWork", reservations.ClaimWorkRequest())).blobs
        assert database.rows("SELECT count(*) FROM blobs") == [(0,)]


async def test_usage_and_quota(server: Server, owner: str) -> None:
    ada, admin = server.user(owner), server.user("root", roles=["admin"])
    await ada.upload()
    before = (await ada.usage("GetUsage", usage.GetUsageRequest())).usage
    assert (before.owner_id, before.used_bytes, before.file_count) == (owner, 10, 1)
    assert not before.HasField("limit_bytes")
    wanted = usage.SetQuotaRequest(user_id=owner, limit_bytes=15)
    assert isinstance(await refusal(ada.usage("SetQuota", wanted)), PermissionDenied)
    for nobody in (f" {owner}", f"{owner}\n", f"{owner}\u200b"):  # a limit for a name that no user can have
        nobodys = usage.SetQuotaRequest(user_id=nobody, limit_bytes=15)
        assert isinstance(await refusal(admin.usage("SetQuota", nobodys)), InvalidField)
    after = (await admin.usage("SetQuota", wanted)).usage
    assert (after.limit_bytes, after.HasField("limit_files")) == (15, False)
    over = reservations.ReserveRequest(spec=plain_spec(size_bytes=6), kind=SINGLE)
    error = await refusal(ada.reservations("Reserve", over))
    assert (error.reason_name, error.code) == ("QUOTA_EXCEEDED", StatusCode.RESOURCE_EXHAUSTED)


def requests_about(file: File) -> list[tuple[str, str, object]]:
    """Every RPC that names a file or a user."""
    return [
        ("files", "GetFile", files.GetFileRequest(file_id=file.id)),
        ("files", "GetFile", files.GetFileRequest(key=file.key)),
        ("files", "GetFile", files.GetFileRequest(key=file.key, show_deleted=True)),
        ("files", "UpdateFile", files.UpdateFileRequest(file_id=file.id, filename="mine")),
        ("files", "UndeleteFile", files.UndeleteFileRequest(file_id=file.id)),
        ("reservations", "DeleteFile", reservations.DeleteFileRequest(file_id=file.id)),
        ("reservations", "DeleteFile", reservations.DeleteFileRequest(key=file.key)),
    ]


async def test_nothing_of_somebody_else_can_be_reached(server: Server, owner: str) -> None:
    ada, bob = server.user(owner), server.user(f"{owner}-bob")
    file = await ada.upload()
    for service, method, request in requests_about(file):
        error = await refusal(getattr(bob, service)(method, request))
        assert isinstance(error, FileNotFound), method
        request.user_id = owner  # type: ignore[attr-defined]
        error = await refusal(getattr(bob, service)(method, request))
        assert isinstance(error, UserMismatch), method
    for prefix in ("", file.key, f"uploads/{owner}/"):
        assert not (await bob.files("ListFiles", files.ListFilesRequest(prefix=prefix))).files
    named = [
        bob.files("ListFiles", files.ListFilesRequest(user_id=owner)),
        bob.usage("GetUsage", usage.GetUsageRequest(user_id=owner)),
        bob.reservations("Reserve", reservations.ReserveRequest(spec=plain_spec(user_id=owner), kind=SINGLE)),
    ]
    for call in named:
        assert isinstance(await refusal(call), UserMismatch)
    assert (await ada.files("GetFile", files.GetFileRequest(file_id=file.id))).file == file


async def test_an_attempt_belongs_to_its_owner(server: Server, owner: str) -> None:
    ada, storage = server.user(owner), server.service()
    blob = (
        await ada.reservations("Reserve", reservations.ReserveRequest(spec=plain_spec(), kind=SINGLE))
    ).blob
    foreign = handle_of(blob)
    foreign.owner_id = f"{owner}-bob"
    for method, request in (
        ("RenewLease", reservations.RenewLeaseRequest(blob=foreign)),
        ("RecordMultipart", reservations.RecordMultipartRequest(blob=foreign, upload_id="u")),
        ("BeginCompletion", reservations.BeginCompletionRequest(blob=foreign)),
        ("Commit", reservations.CommitRequest(blob=foreign)),
        ("Abandon", reservations.AbandonRequest(blob=foreign)),
        (
            "FinishRemoval",
            reservations.FinishRemovalRequest(blob=foreign, from_state=blob_pb2.BLOB_STATE_ABORTING),
        ),
        ("ReleaseWork", reservations.ReleaseWorkRequest(blob=foreign)),
    ):
        assert isinstance(await refusal(storage.reservations(method, request)), UploadSuperseded), method
    await storage.reservations("RenewLease", reservations.RenewLeaseRequest(blob=handle_of(blob)))


async def test_an_admin_acts_for_others(server: Server, owner: str) -> None:
    ada, admin = server.user(owner), server.user("root", role="admin")
    file = await ada.upload()
    listed = await admin.files("ListFiles", files.ListFilesRequest(user_id=owner))
    assert list(listed.files) == [file]
    assert isinstance(
        await refusal(admin.files("GetFile", files.GetFileRequest(file_id=file.id))), FileNotFound
    )
    found = await admin.files("GetFile", files.GetFileRequest(file_id=file.id, user_id=owner))
    assert found.file == file
    theirs = await admin.upload(user_id=owner)
    assert theirs.owner_id == owner
    assert theirs.key.startswith(f"uploads/{owner}/")


async def test_internal_services_are_internal(server: Server, owner: str) -> None:
    straight = server.user(owner, internal=False)
    blob = reservations.BlobHandle(blob_id=str(uuid.uuid4()), epoch=1, owner_id=owner)
    for method, request in (
        ("Reserve", reservations.ReserveRequest(spec=plain_spec(), kind=SINGLE)),
        ("Commit", reservations.CommitRequest(blob=blob)),
        ("DeleteFile", reservations.DeleteFileRequest(file_id=blob.blob_id)),
        ("ClaimWork", reservations.ClaimWorkRequest()),
    ):
        error = await refusal(straight.reservations(method, request))
        assert isinstance(error, PermissionDenied), method
    assert not (await straight.files("ListFiles", files.ListFilesRequest())).files


async def test_nobody_has_no_files(server: Server) -> None:
    nobody, service = Caller(server.channel), server.service()
    assert isinstance(await refusal(nobody.files("ListFiles", files.ListFilesRequest())), TokenMissing)
    reserve = reservations.ReserveRequest(spec=plain_spec(), kind=SINGLE)
    assert isinstance(await refusal(service.reservations("Reserve", reserve)), TokenMissing)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetFile", files.GetFileRequest(), "name"),
        ("GetFile", files.GetFileRequest(file_id="../1"), "file_id"),
        ("GetFile", files.GetFileRequest(key="k" * 1025), "key"),
        ("ListFiles", files.ListFilesRequest(page_size=-1), "page_size"),
        ("UpdateFile", files.UpdateFileRequest(file_id=str(uuid.uuid4()), metadata={"UP": "x"}), "metadata"),
    ],
)
async def test_the_schemas_rules_hold(server: Server, method: str, request_: object, field: str) -> None:
    error = await refusal(server.user("ada").files(method, request_))
    assert isinstance(error, InvalidField)
    assert field in (error.field or "")


async def test_page_tokens_of_others_are_refused(server: Server, owner: str) -> None:
    ada, bob = server.user(owner), server.user(f"{owner}-bob")
    for who in (ada, bob):
        for _ in range(2):
            await who.upload()
    first = await ada.files("ListFiles", files.ListFilesRequest(page_size=1))
    stolen = files.ListFilesRequest(page_size=1, page_token=first.next_page_token)
    assert isinstance(await refusal(bob.files("ListFiles", stolen)), InvalidPageToken)
    assert len((await ada.files("ListFiles", stolen)).files) == 1
