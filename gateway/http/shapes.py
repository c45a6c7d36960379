"""Shapes of answers: TypedDicts, and how times stand in them. mypy checks what handlers send, and the OpenAPI
document says the same.

At run time an answer is a plain dict; pydantic looks at the shapes only when the document is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar, cast

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AfterValidator, AwareDatetime, ConfigDict, with_config

Shape = TypeVar("Shape", bound=type)


def example(value: object) -> Callable[[Shape], Shape]:
    """Give a shape its example. Written as ``EXAMPLE: TheShape = {…}``, so that mypy checks it, too."""
    return with_config(ConfigDict(json_schema_extra={"example": cast("Any", value)}))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # 9999-12-31T23:59:59-14:00
        raise ValueError("must lie in the years 1 to 9999 in UTC, too") from None


#: A time in a body: RFC 3339 with its offset. In UTC, as protobuf's Timestamp takes it.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]

#: Without a time zone: everything here is UTC, and half as dear without saying so.
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


def rfc3339(moment: Timestamp) -> str:
    """``2026-01-02T03:04:05.123456Z``; microseconds are left out when they are zero."""
    return (_EPOCH + timedelta(0, moment.seconds, moment.nanos // 1000)).isoformat() + "Z"
