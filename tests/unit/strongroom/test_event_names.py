"""Types of events in JSON."""

from __future__ import annotations

from strongroom.event_names import event_name
from strongroom.metadata.v1.notification_service_pb2 import EventType


def test_each_type_has_a_name_and_what_nobody_knows_has_its_number() -> None:
    names = [event_name(number) for number in EventType.values()]
    assert len(set(names)) == len(names)
    assert {"file_ready", "file_damaged"} <= set(names)
    assert [event_name(number) for number in (9999, -1)] == ["unknown_9999", "unknown_-1"]
