"""The protos' patterns are described in words, never as regular expressions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.message import Message

from servicekit.interceptors.validation import check
from servicekit.patterns import WORDS, told
from strongroom.errors import InvalidField
from strongroom.families import FAMILY_NAMES
from strongroom.metadata.v1.file_service_pb2 import UpdateFileRequest
from strongroom.metadata.v1.notification_service_pb2 import WatchAllRequest
from strongroom.metadata.v1.share_pb2 import Drop, SharedVersion
from strongroom.metadata.v1.target_pb2 import ProjectArchiveTarget, UploadSpec
from strongroom.metadata.v1.webhook_service_pb2 import ReplayDeliveriesRequest

PROTOS = Path(__file__).parents[3] / "protos" / "strongroom"
MESSAGES: list[tuple[Message, str, str]] = [
    (SharedVersion(slug="My Project"), "slug", "small letters"),
    (Drop(content_types=["Image PNG"]), "content_types[0]", "image/png"),
    (ReplayDeliveriesRequest(delivery_id="42"), "delivery_id", "webhook-id"),
    (WatchAllRequest(families=["Event-Media"]), "families[0]", "event_media"),
    (UploadSpec(request_id="two words"), "request_id", "without spaces"),
    (UploadSpec(storage_class="cold ice"), "storage_class", "STANDARD_IA"),
    (UploadSpec(metadata={"Camera Model": "x"}), "metadata[Camera Model]", "digits"),
    (UpdateFileRequest(metadata={"A B": "x"}), "metadata[A B]", "digits"),
    (UpdateFileRequest(remove_metadata=["ok", "Ä"]), "remove_metadata[1]", "digits"),
    (ProjectArchiveTarget(slug="-x"), "slug", "first one a letter"),
]


@pytest.mark.parametrize(("message", "field", "said"), MESSAGES)
def test_a_refused_text_is_told_what_is_allowed(message: Message, field: str, said: str) -> None:
    with pytest.raises(InvalidField) as raised:
        check(message)
    (found,) = (one for one in raised.value.violations if one.field.endswith(field))
    assert found.rule == "string.pattern"
    assert said in found.message
    assert found.message.startswith("must be ")
    assert "[" not in found.message
    assert "regex" not in raised.value.message


def test_each_pattern_of_the_protos_has_its_words() -> None:
    written = set()
    for proto in PROTOS.rglob("*.proto"):
        for text in re.findall(r'pattern(?: =|:)\s*"(.*)"', proto.read_text()):
            written.add(text.replace("\\\\", "\\"))
    assert written == set(WORDS)


def test_words_for_families_are_names_of_families() -> None:
    words = told("^[a-z_]{1,32}$")
    assert {"generation", "event_media"} <= set(FAMILY_NAMES.values()) & set(words.split())


def test_a_pattern_without_words_is_not_shown() -> None:
    assert "[a-z" not in told("^[a-z]$")
