"""Users' times are within the years 1 to 9999: others can be neither stored nor shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.interceptors.validation import check
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import (
    event_media_service_pb2,
    file_service_pb2,
    generation_service_pb2,
    project_service_pb2,
    retention_service_pb2,
    share_service_pb2,
    usage_service_pb2,
    webhook_service_pb2,
)
from strongroom.metadata.v1.file_pb2 import FileFilter
from strongroom.metadata.v1.retention_pb2 import RetentionWish
from strongroom.metadata.v1.retention_service_pb2 import SetRetentionRequest
from strongroom.metadata.v1.share_service_pb2 import UpdateShareRequest
from strongroom.storage.v1 import guest_pb2, link_pb2, preview_pb2, storage_service_pb2

ID = "7e57d004-2b97-4e7a-b45f-5387367791cd"
FIRST, BEHIND = -62135596800, 253402300800
#: Whoever has a token, or a link, may call these.
FOR_USERS = [
    event_media_service_pb2,
    file_service_pb2,
    generation_service_pb2,
    project_service_pb2,
    retention_service_pb2,
    share_service_pb2,
    usage_service_pb2,
    webhook_service_pb2,
    guest_pb2,
    link_pb2,
    preview_pb2,
    storage_service_pb2,
]


def moments(descriptor: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    """Every Timestamp of a message, however deep inside."""
    for field in descriptor.fields:
        kind = field.message_type
        if kind is None or kind.full_name in seen:
            continue
        if kind.full_name == "google.protobuf.Timestamp":
            yield field
            continue
        seen.add(kind.full_name)
        yield from moments(kind, seen)


def test_every_time_in_a_request_has_bounds() -> None:
    seen: set[str] = set()
    requests = [
        method.input_type
        for module in FOR_USERS
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    found = [field for request in requests for field in moments(request, seen)]
    assert len(found) >= 8
    for field in found:
        assert field.containing_type is not None
        message = GetMessageClass(field.containing_type)()
        getattr(message, field.name).seconds = BEHIND
        with pytest.raises(InvalidField) as raised:
            check(message)
        assert field.name in [one.field for one in raised.value.violations], field.full_name


@pytest.mark.parametrize("seconds", [-(2**63), FIRST - 1, BEHIND, 2**63 - 1])
@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda at: SetRetentionRequest(file_id=ID, keep_until_time=at), "keep_until_time"),
        (lambda at: SetRetentionRequest(file_id=ID, delete_after_time=at), "delete_after_time"),
        (lambda at: RetentionWish(keep_until_time=at), "keep_until_time"),
        (lambda at: UpdateShareRequest(share_id=ID, expire_time=at), "expire_time"),
        (lambda at: FileFilter(created_after=at), "created_after"),
    ],
)
def test_beyond_the_calendar(seconds: int, make: Callable[[Timestamp], Message], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        check(make(Timestamp(seconds=seconds)))
    assert raised.value.field == field
