"""Unknown numbers, of a newer writer or a damaged row, break no reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.families.admin.rendering import show_cleaner, show_finding, show_run
from gateway.families.generations.routes import show as show_generation
from gateway.families.library.rendering import show as show_file
from gateway.families.notifications.watch import show as show_event
from gateway.families.shares.routes import shown as show_share
from gateway.families.webhooks.routes import delivery_shown
from gateway.families.webhooks.routes import shown as show_webhook
from storage_service.projects.archives.manifest import file_record, share_record, webhook_record
from storage_service.sharing.guests import shown as show_guest
from storage_service.verifying.metrics import kind_name
from strongroom.client.admin_values import to_status
from strongroom.client.family_values import Notification, generation_type
from strongroom.client.files import StoredFile
from strongroom.client.shares import to_share
from strongroom.client.verification_values import to_finding, to_verification
from strongroom.client.webhooks import to_delivery, to_webhook
from strongroom.enum_words import enum_word, event_name
from strongroom.metadata.v1 import (
    admin_service_pb2,
    blob_pb2,
    file_pb2,
    notification_service_pb2,
    share_pb2,
    verification_pb2,
    webhook_pb2,
)
from strongroom.storage.v1 import verify_pb2
from tests.stack import CHECKOUT

NEWER = 99
KNOWN_TO_BE_KNOWN = {"strongroom/errors/base.py", "servicekit/failpoints.py", "storage_service/diagnosis.py"}


def _enums() -> Iterator[EnumDescriptor]:
    modules = (file_pb2, blob_pb2, share_pb2, verification_pb2, webhook_pb2, verify_pb2)
    for module in modules:
        yield from module.DESCRIPTOR.enum_types_by_name.values()


@pytest.mark.parametrize("enum", list(_enums()), ids=lambda enum: enum.name)
def test_a_word_is_a_name_without_what_all_of_its_enum_begin_with(enum: EnumDescriptor) -> None:
    words = {enum_word(enum, value.number) for value in enum.values}
    assert "unspecified" in words
    assert len(words) == len(enum.values)
    assert not [word for word in words if word.startswith(enum.name.lower())]
    assert [enum_word(enum, number) for number in (NEWER, -1)] == ["unknown_99", "unknown_-1"]


def test_each_type_has_a_name_and_what_nobody_knows_has_its_number() -> None:
    names = [event_name(number) for number in notification_service_pb2.EventType.values()]
    assert len(set(names)) == len(names)
    assert {"file_ready", "file_damaged"} <= set(names)
    assert [event_name(number) for number in (9999, -1)] == ["unknown_9999", "unknown_-1"]


def _is_ours(field: Any) -> bool:
    return bool(field.message_type.full_name.startswith("strongroom.") and not field.containing_oneof)


def _newer(message: Message) -> Any:
    """A message in which each enum field has a number of a newer release."""
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_ENUM:
            if field.is_repeated:
                getattr(message, field.name).append(NEWER)
            else:
                setattr(message, field.name, NEWER)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated and _is_ours(field):
            _newer(getattr(message, field.name))
    return message


def _file() -> file_pb2.File:
    return _newer(file_pb2.File(generation_details=file_pb2.GenerationDetails(type=NEWER)))  # type: ignore[arg-type, no-any-return]


def _status() -> admin_service_pb2.GetCleanerStatusResponse:
    return admin_service_pb2.GetCleanerStatusResponse(
        backlog=[admin_service_pb2.CleanerBacklog(state=NEWER)]  # type: ignore[arg-type]
    )


READERS: list[Callable[[], Any]] = [
    lambda: show_run(_newer(verification_pb2.Verification())),
    lambda: show_finding(_newer(verify_pb2.ReportedFinding(finding=verification_pb2.Finding()))),
    lambda: show_cleaner(_status()),
    lambda: to_status(_status()),
    lambda: show_generation(_file(), None),
    lambda: show_file(_file(), None),
    lambda: show_event(_newer(notification_service_pb2.Event())),
    lambda: Notification.from_proto(_newer(notification_service_pb2.Event())),
    lambda: show_share(_newer(share_pb2.Share())),
    lambda: to_share(_newer(share_pb2.Share())),
    lambda: show_guest(share_pb2.Share(), is_open=True),
    lambda: show_webhook(_newer(webhook_pb2.Webhook())),
    lambda: to_webhook(_newer(webhook_pb2.Webhook())),
    lambda: delivery_shown(_newer(webhook_pb2.WebhookDelivery())),
    lambda: to_delivery(_newer(webhook_pb2.WebhookDelivery())),
    lambda: file_record(_file(), "name"),
    lambda: share_record(_newer(share_pb2.Share())),
    lambda: webhook_record(_newer(webhook_pb2.Webhook())),
    lambda: StoredFile.from_proto(_file()),
    lambda: to_verification(_newer(verification_pb2.Verification()), b"", b"", b""),
    lambda: to_finding(_newer(verification_pb2.Finding()), b""),
    lambda: kind_name(NEWER),
    lambda: generation_type(NEWER),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("read", READERS)
def test_what_has_a_number_of_a_newer_release_is_read(read: Callable[[], Any]) -> None:
    assert read()


def test_no_number_of_a_row_or_message_is_named_by_what_raises() -> None:
    """``Enum.Name`` raises ValueError for a number that it does not know."""
    names = re.compile(r"\b[A-Z]\w*\.Name\(")
    found = {
        str(path.relative_to(CHECKOUT))
        for folder in ("gateway", "metadata_service", "servicekit", "storage_service", "strongroom")
        for path in Path(CHECKOUT / folder).rglob("*.py")
        if not path.name.endswith("_pb2.py") and names.search(path.read_text())
    }
    assert found == KNOWN_TO_BE_KNOWN
