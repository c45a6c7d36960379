"""Which transactions wake watchers."""

from __future__ import annotations

from pathlib import Path

import metadata_service
from metadata_service.db.scopes import INSERT_EVENTS, tells
from metadata_service.events import outbox
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READY


def test_a_statement_that_writes_events_is_known() -> None:
    event = outbox.append("ada", EVENT_TYPE_FILE_READY, "id", {})
    assert tells([("SELECT 1", ()), event])
    assert not tells([("SELECT count(*) FROM events", ())])
    assert not tells([])


def test_every_statement_that_writes_events_uses_the_constant() -> None:
    """A statement with another spelling would wake no watcher."""
    root = Path(metadata_service.__file__).parent
    spelled = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "INTO EVENTS" in " ".join(path.read_text().upper().split())
    ]
    assert [path for path in spelled if "migrations" not in path] == ["db/scopes.py"]
    assert INSERT_EVENTS.startswith("INSERT INTO events (")
