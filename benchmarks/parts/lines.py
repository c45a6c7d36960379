"""Parts for log lines, counters and lists."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import CollectorRegistry, Counter

from benchmarks.parts.measured import Part, micros
from gateway.families.files.routes import _page
from gateway.families.files.shapes import FileList
from gateway.http.reply import json_reply
from gateway.http.shapes import rfc3339
from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, current, set_current
from servicekit.telemetry.logs import Sink, configure_logging, sink
from strongroom.metadata.v1.file_pb2 import File

TIMES = 3000
FIELDS: dict[str, Any] = {
    "verb": "GET",
    "route": "/api/v1/s3/file/{key:path}",
    "path": "/api/v1/s3/file/uploads/alice/7e57d004-2b97-4e7a-b45f-5387367791cd.png",
    "status": 200,
    "ms": 3.4,
    "received": 0,
    "sent": 65536,
    "client": "127.0.0.1",
}


@cache
def _logging() -> Sink:
    configure_logging("gateway", stream=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for good
    context = RequestContext("7f3c1d2ab6e04f5e9a43c0d1e2f3a4b5")
    context.principal, context.method = Principal("alice"), "GET /api/v1/s3/file/{key:path}"
    set_current(context)
    return sink()


def _line_by_hand() -> float:
    _logging()
    return micros(lambda: sink().http(current(), FIELDS, "info"), TIMES)


def _line_by_structlog() -> float:
    _logging()
    log = structlog.get_logger("gateway.access")
    return micros(lambda: log.info("request", **FIELDS), TIMES)


class _Plain:
    received = sent = 0


def _counter_in_attributes() -> float:
    stats = _Plain()

    def count() -> None:
        stats.received += 65536

    return micros(count, TIMES * 10)


def _counter_of_prometheus() -> float:
    counter = Counter("bytes", "Bytes.", ("method",), registry=CollectorRegistry()).labels("Upload")
    return micros(lambda: counter.inc(65536), TIMES * 10)


@cache
def _files() -> list[File]:
    changed = Timestamp()
    changed.GetCurrentTime()
    return [
        File(
            key=f"uploads/alice/7e57d004-2b97-4e7a-b45f-5387367791{number:02}.png",
            size_bytes=48213 + number,
            content_type="image/png",
            etag="9a0364b9e99bb480dd25e1f0284c8555",
            update_time=changed,
        )
        for number in range(50)
    ]


def _list_by_hand() -> float:
    files = _files()
    return micros(lambda: _page(files, "Zm9v"), TIMES // 10)


def _list_by_json() -> float:
    files = _files()

    def page() -> bytes:
        answer: FileList = {
            "files": [
                {
                    "key": file.key,
                    "size": file.size_bytes,
                    "content_type": file.content_type,
                    "etag": file.etag,
                    "last_modified": rfc3339(file.update_time),
                }
                for file in files
            ],
            "is_truncated": True,
            "next_continuation_token": "Zm9v",
            "next_page_token": "Zm9v",
        }
        return json_reply(answer).body

    assert json.loads(page()) == json.loads(_page(files, "Zm9v"))
    return micros(page, TIMES // 10)


LINES = (
    Part("log line", "0002", "µs a line", _line_by_hand, _line_by_structlog),
    Part("counter", "0002", "µs a step", _counter_in_attributes, _counter_of_prometheus),
    Part("list of 50", "0032", "µs a page", _list_by_hand, _list_by_json),
)
