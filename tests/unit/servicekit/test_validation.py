"""The protos' rules apply to every message of every request."""

from __future__ import annotations

import importlib
import pkgutil

import hypothesis
import protovalidate
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import strongroom.metadata.v1
import strongroom.storage.v1
from servicekit.interceptors.validation import (
    MAX_KEY,
    MAX_SEARCHED_BYTES,
    MAX_VIOLATIONS,
    check,
    request_parser,
)
from strongroom.errors import InvalidField, MalformedRequest
from strongroom.errors.wire import from_status_proto, to_status_proto
from strongroom.field_names import with_callers_names
from strongroom.metadata.v1.event_media_service_pb2 import Tags, UpdateEventMediaRequest
from strongroom.metadata.v1.file_pb2 import FileFilter
from strongroom.metadata.v1.file_service_pb2 import GetFileRequest, ListFilesRequest
from strongroom.metadata.v1.generation_service_pb2 import ListGenerationsRequest
from strongroom.metadata.v1.notification_service_pb2 import EventType
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.metadata.v1.webhook_pb2 import EventFilter
from strongroom.metadata.v1.webhook_service_pb2 import CreateWebhookRequest
from strongroom.storage.v1.batch_pb2 import BatchDeleteRequest, BatchImportRequest
from strongroom.storage.v1.direct_pb2 import ImportFromUrlRequest
from strongroom.storage.v1.upload_pb2 import (
    CreateUploadRequest,
    GetUploadRequest,
    UploadRequest,
)

MANY_TYPES = EventFilter(types=[EventType.EVENT_TYPE_FILE_READY] * 9000)
ID = "7e57d004-2b97-4e7a-b45f-5387367791cd"
FILE = UploadTarget(file=FileTarget())


def violations(message: Message) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        check(message)
    return caught.value


def test_paths_name_repeated_fields_by_index() -> None:
    request = BatchImportRequest()
    for _ in range(2):
        request.items.add()
    found = violations(request)
    paths = [violation.field for violation in found.violations]
    assert "items[1].url" in paths
    assert found.field == found.violations[0].field == "items[0].url"
    assert found.message.startswith("items[0].url: ")


@pytest.mark.parametrize(
    "key",
    ["k" * 300, "k" * 3000, "é" * 400, "a.filter." * 40, "]: filter.settings[" * 20, "\n" * 300, '"' * 999],
)
def test_a_field_with_a_long_key_is_named_as_callers_do(key: str) -> None:
    """Even after the way between the services, which has no room for long names."""
    found = violations(ListGenerationsRequest(filter=FileFilter(settings={key: "1"})))
    told = with_callers_names(from_status_proto(to_status_proto(found)), {})
    name = f"settings[{key[: MAX_KEY - 1]}…]"
    assert told.message.startswith(f"{name}: must be")
    assert told.metadata["field"] == name
    assert [one.field for one in told.violations] == [name]


def test_violations_are_bounded() -> None:
    assert len(violations(BatchDeleteRequest(file_ids=["x"] * 900)).violations) == MAX_VIOLATIONS


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (BatchDeleteRequest(file_ids=["x"] * 5000), "file_ids"),
        (BatchDeleteRequest(keys=[""] * 5000), "keys"),
        (BatchImportRequest(items=[ImportFromUrlRequest()] * 5000), "items"),
        (CreateWebhookRequest(url="https://a.example/", filter=MANY_TYPES), "filter.types"),
        (UpdateEventMediaRequest(file_id=ID, tags=Tags(values=[""] * 5000)), "event_id"),
    ],
)
def test_a_wide_message_is_searched_for_its_first_violation_only(
    message: Message, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = []
    collect = protovalidate.collect_violations

    def counted(message: Message, *, fail_fast: bool = False) -> list[protovalidate.Violation]:
        found = collect(message, fail_fast=fail_fast)
        collected.append(len(found))
        return found

    monkeypatch.setattr(protovalidate, "collect_violations", counted)
    assert message.ByteSize() > MAX_SEARCHED_BYTES
    found = violations(message)
    assert [one.field for one in found.violations] == [field]
    assert sum(collected) == 1


def test_values_are_not_repeated() -> None:
    evil = "<script>\r\n" * 20
    assert "script" not in violations(BatchDeleteRequest(file_ids=[evil])).message


def test_parser() -> None:
    parse = request_parser(GetUploadRequest.FromString)
    assert parse(GetUploadRequest(upload_id="u").SerializeToString()).upload_id == "u"
    with pytest.raises(InvalidField):
        parse(b"")
    with pytest.raises(MalformedRequest):
        parse(b"\xff\xff")
    assert request_parser(None)(b"raw") == b"raw"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GetFileRequest(key="a\0b"), "key"),
        (ListFilesRequest(prefix="\0"), "prefix"),
        (ListFilesRequest(user_id="u\0"), "user_id"),
        (CreateUploadRequest(spec=UploadSpec(target=FILE, filename="a\0.txt")), "spec.filename"),
        (CreateUploadRequest(spec=UploadSpec(target=FILE, metadata={"a": "\0"})), "spec.metadata"),
        (UpdateEventMediaRequest(event_id=ID, file_id=ID, tags=Tags(values=["a", "\0"])), "tags.values"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_nul_is_refused_by_the_name_of_its_field(request_: Message, field: str) -> None:
    raw = request_.SerializeToString()
    with pytest.raises(InvalidField) as caught:
        request_parser(type(request_).FromString)(raw)
    assert (caught.value.field, caught.value.metadata["rule"]) == (field, "string.no_nul")
    assert caught.value.message == f"{field} holds a NUL character; remove it."
    assert request_parser(type(request_).FromString, internal=True)(raw) == request_  # told of, not asked for


def test_what_a_custom_deserializer_makes_passes_unless_it_is_a_message() -> None:
    parse = request_parser(lambda raw: memoryview(raw), streaming=True)
    assert parse(b"x") == b"x"
    mixed = request_parser(lambda raw: UploadRequest.FromString(raw), streaming=True)
    with pytest.raises(InvalidField):
        mixed(UploadRequest(write_offset=-1).SerializeToString())


def test_messages_of_a_stream_are_held_against_their_rules() -> None:
    parse = request_parser(UploadRequest.FromString, streaming=True)
    for message in (
        UploadRequest(data=b"x" * 100, write_offset=5, crc32c=7, finish_write=True),
        UploadRequest(),
    ):
        assert parse(message.SerializeToString()) == message
    for message in (
        UploadRequest(write_offset=-1, data=b"x"),
        UploadRequest(upload_id="x" * 300),
    ):
        with pytest.raises(InvalidField):
            parse(message.SerializeToString())


def requests() -> list[type[Message]]:
    """All request messages of the contract."""
    found: list[type[Message]] = []
    for package in (strongroom.storage.v1, strongroom.metadata.v1):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_pb2"):
                loaded = importlib.import_module(f"{package.__name__}.{module.name}")
                names = loaded.DESCRIPTOR.message_types_by_name
                found += [getattr(loaded, name) for name in names if name.endswith("Request")]
    return found


@hypothesis.settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no fault
@given(st.data())
def test_a_parser_lets_through_what_breaks_no_rule(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(requests()))
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if data.draw(st.booleans()):
            _fill(message, field, data)
    try:
        parsed = request_parser(kind.FromString, streaming=True)(message.SerializeToString())
    except InvalidField:
        assert protovalidate.collect_violations(message) != []
    else:
        assert parsed == message
        assert protovalidate.collect_violations(message) == []


def _fill(message: Message, field: object, data: st.DataObject) -> None:
    """Give ``field`` some value, often one that violates a rule."""
    name = str(getattr(field, "name", ""))
    values: dict[int, st.SearchStrategy[object]] = {
        1: st.integers(-5, 5), 2: st.integers(-5, 5), 3: st.integers(0, 5), 4: st.integers(0, 5),
        5: st.floats(-5, 5), 6: st.floats(-5, 5), 7: st.booleans(), 8: st.integers(0, 3),
    }  # fmt: skip
    cpp_type = int(getattr(field, "cpp_type", 0))
    repeated, nested = bool(getattr(field, "is_repeated", False)), getattr(field, "message_type", None)
    if nested is not None:
        if not repeated:
            getattr(message, name).SetInParent()
        return
    text: st.SearchStrategy[object] = st.text(max_size=5) | st.just("x" * 400)
    is_bytes = int(getattr(field, "type", 0)) == 12
    value = data.draw(st.binary(max_size=5) if is_bytes else values.get(cpp_type, text))
    if repeated:
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)
