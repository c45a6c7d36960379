"""Two users and every RPC: nothing of others is read, listed, signed, copied, deleted or edited."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from strongroom.errors import StrongroomError, UserMismatch, from_rpc_error
from strongroom.metadata.v1 import file_pb2, file_service_pb2
from tests.e2e.owner import Owner
from tests.e2e.rpcs import INTERNAL, OPEN, WAYS, all_methods, call, name_of, name_user
from tests.stack import RunningStack

METHODS: Final = {name_of(method): method for method in all_methods()}
FOR_USERS: Final = sorted(name for name in METHODS if not name.startswith(INTERNAL + OPEN))
FOR_SERVICES: Final = sorted(name for name in METHODS if name.startswith(INTERNAL))
BY_UPLOAD: Final = {"GetUpload", "DeclareUploadLength", "CancelUpload", "SignUpload", "CompleteUpload"}
"""These name an upload of the caller's, and no user."""
REFUSED_OTHERWISE: Final = {
    "ImportFromUrl": grpc.StatusCode.INVALID_ARGUMENT,
    "ConcatenateUploads": grpc.StatusCode.INVALID_ARGUMENT,
    "SignUpload": grpc.StatusCode.NOT_FOUND,
    "GetVerificationReport": grpc.StatusCode.NOT_FOUND,
    "ListVerificationFindings": grpc.StatusCode.NOT_FOUND,
    "GetErasure": grpc.StatusCode.INVALID_ARGUMENT,
    "AbortAttempt": grpc.StatusCode.NOT_FOUND,
    "DrainReplica": grpc.StatusCode.NOT_FOUND,
    "UndrainReplica": grpc.StatusCode.NOT_FOUND,
    "RepairFindings": grpc.StatusCode.NOT_FOUND,
    "RestoreQuarantined": grpc.StatusCode.NOT_FOUND,
    "PurgeQuarantined": grpc.StatusCode.NOT_FOUND,
    "CompleteUpload": grpc.StatusCode.INVALID_ARGUMENT,
}
"""Refused because of the request itself: an import from nowhere, no parts, a session that is not direct, no
run.
"""

OF_NO_USER: Final = {
    *("GetCleanerStatus", "RequeueAttempts", "AbortAttempt"),
    *("ListReplicas", "DrainReplica", "UndrainReplica"),
    *("Diagnose", "StartVerification", "GetVerificationReport", "ListVerificationFindings"),
    *("ListStrayObjects", "KeepObjects", "DropObjects", "RelinkObjects"),
    *("ListQuarantine", "RestoreQuarantined", "PurgeQuarantined", "RepairFindings", "WatchAll"),
    "GetUrlStamps",
}
STORAGE: Final = ("StorageService/", "DiagnosticsService/", "VerifyService/", "RestoreService/")

Call = Callable[[str, list[Message], str], list[Message]]


@pytest.fixture(scope="module")
def channels(stack: RunningStack) -> Iterator[dict[str, grpc.Channel]]:
    with stack.channel("storage") as storage, stack.channel("metadata") as metadata:
        yield {"storage": storage, "metadata": metadata}


@pytest.fixture(scope="module")
def ask(channels: dict[str, grpc.Channel]) -> Call:
    """Calls an RPC by its name with a token."""

    def ask(name: str, messages: list[Message], token: str) -> list[Message]:
        kind = "storage" if name.startswith(STORAGE) else "metadata"
        return call(channels[kind], METHODS[name], messages, token)

    return ask


@pytest.fixture(scope="module")
def new_owner(stack: RunningStack, channels: dict[str, grpc.Channel]) -> Callable[[str], Owner]:
    return lambda name: Owner(name, channels, stack.token(name))


@pytest.fixture(scope="module")
def alice(new_owner: Callable[[str], Owner]) -> Owner:
    owner = new_owner(f"alice-{uuid.uuid4()}")
    assert len(owner.secrets()) == 14
    return owner


@pytest.fixture(scope="module")
def bob(stack: RunningStack) -> str:
    """The token of a user who has nothing."""
    return stack.token(f"bob-{uuid.uuid4()}")


def _messages(name: str, owner: Owner) -> list[Message]:
    made = WAYS[name].request(owner)
    return made if isinstance(made, list) else [made]


def _empty(method: MethodDescriptor) -> list[Message]:
    return [GetMessageClass(method.input_type)()]


def _refusal(ask: Call, name: str, messages: list[Message], token: str) -> StrongroomError:
    with pytest.raises(grpc.RpcError) as refused:
        ask(name, messages, token)
    return from_rpc_error(refused.value)


def test_every_rpc_has_an_entry() -> None:
    assert set(WAYS) == set(FOR_USERS)


@pytest.mark.parametrize("name", FOR_USERS)
def test_what_a_stranger_gets(ask: Call, alice: Owner, bob: str, name: str) -> None:
    way, messages = WAYS[name], _messages(name, alice)
    if way.stranger == "missing":
        assert _refusal(ask, name, messages, bob).code is grpc.StatusCode.NOT_FOUND
    elif way.stranger == "denied":
        assert _refusal(ask, name, messages, bob).code is grpc.StatusCode.PERMISSION_DENIED
    else:
        _tells_nothing(ask, name, messages, bob, alice.secrets())
    _alice_has_everything(ask, alice)


def _tells_nothing(ask: Call, name: str, messages: list[Message], token: str, secrets: set[str]) -> None:
    code = grpc.StatusCode.OK
    try:
        told = "".join(map(str, ask(name, messages, token)))
    except grpc.RpcError as error:
        code, told = from_rpc_error(error).code, str(error)
    assert code is not grpc.StatusCode.INTERNAL, told
    assert not [text for text in secrets if text in told]


def _as_stored(file: file_pb2.File) -> file_pb2.File:
    """The file without the facts that are read from the picture a moment after the upload."""
    stored = file_pb2.File()
    stored.CopyFrom(file)
    stored.ClearField("media")
    return stored


def _alice_has_everything(ask: Call, alice: Owner) -> None:
    files = [alice.at_path, alice.generation, alice.medium, alice.picture]
    request = file_service_pb2.BatchGetFilesRequest(file_ids=[file.id for file in files])
    (found,) = ask("FileService/BatchGetFiles", [request], alice.token)
    assert [_as_stored(file) for file in found.files] == [  # type: ignore[attr-defined]
        _as_stored(file) for file in files
    ]
    deleted = file_service_pb2.GetFileRequest(file_id=alice.soft_deleted.id, show_deleted=True)
    (one,) = ask("FileService/GetFile", [deleted], alice.token)
    assert one.file.HasField("delete_time")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FOR_USERS)
def test_without_a_token(ask: Call, alice: Owner, name: str) -> None:
    assert _refusal(ask, name, _messages(name, alice), "").code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("name", FOR_USERS)
def test_another_user_id(ask: Call, alice: Owner, bob: str, name: str) -> None:
    messages = _messages(name, alice)
    if not name_user(messages[0], alice.name):
        assert name.rpartition("/")[2] in BY_UPLOAD | OF_NO_USER
        return
    if name in ("StorageService/BatchImport", "StorageService/BatchDelete"):  # each item separately
        (reply,) = ask(name, messages, bob)
        assert "USER_MISMATCH" in str(reply)
        return
    error = _refusal(ask, name, messages, bob)
    if name == "StorageService/ConcatenateUploads":  # the foreign uploads in the request are checked first
        assert error.code is grpc.StatusCode.NOT_FOUND
        return
    for_admins = name == "UsageService/SetQuota" or name.startswith("AdminService/")
    expected: Any = StrongroomError if for_admins else UserMismatch
    assert isinstance(error, expected), error
    assert error.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture(scope="module")
def carol(new_owner: Callable[[str], Owner]) -> Owner:
    """A user whose data admins read, and no test changes."""
    return new_owner(f"carol-{uuid.uuid4()}")


@pytest.mark.parametrize("name", FOR_USERS)
def test_an_admin_may(
    ask: Call, stack: RunningStack, new_owner: Callable[[str], Owner], carol: Owner, name: str
) -> None:
    """Calls that change something use separate belongings, because some remove them."""
    only_reads = name.rpartition("/")[2].startswith(("Get", "List", "BatchGet"))
    owner = carol if only_reads else new_owner(f"carol-{uuid.uuid4()}")
    messages = _messages(name, owner)
    name_user(messages[0], owner.name)
    admin = stack.token("root", roles=["admin"])
    try:
        ask(name, messages, admin)
        code = grpc.StatusCode.OK
    except grpc.RpcError as error:
        code = from_rpc_error(error).code
    assert code is REFUSED_OTHERWISE.get(name.rpartition("/")[2], grpc.StatusCode.OK)


@pytest.mark.parametrize("name", FOR_SERVICES)
def test_internal_services_refuse_users(ask: Call, stack: RunningStack, name: str) -> None:
    for token in (stack.token("bob"), stack.token("root", roles=["admin"])):
        error = _refusal(ask, name, _empty(METHODS[name]), token)
        assert error.code is grpc.StatusCode.PERMISSION_DENIED
