"""Shapes of responses as TypedDicts, and the format of times in them.

mypy checks what handlers send, and the OpenAPI document is made from the same shapes. At run time a response
is a plain dict; pydantic reads the shapes only for the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar, cast, get_args

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    field_validator,
    with_config,
)
from pydantic_core import PydanticCustomError

Shape = TypeVar("Shape", bound=type)


def example(value: object) -> Callable[[Shape], Shape]:
    """Give a shape its example. Declared as ``EXAMPLE: TheShape = {…}``, so that mypy checks it, too."""
    return with_config(ConfigDict(json_schema_extra={"example": cast("Any", value)}))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # 9999-12-31T23:59:59-14:00
        raise ValueError("must lie in the years 1 to 9999 in UTC, too") from None


class StrictBody(BaseModel):
    """A body whose members are all known: one that is mistyped would be left out, a share never end.

    Bodies that applications sent before there was this service (imports, saves) may have others, too.
    """

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _number_is_no_truth(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic takes ``true`` for 1: a share that opens once, a quota of one byte."""
        if isinstance(value, bool) and info.field_name in cls.model_fields:
            types = list(_plain_types(cls.model_fields[info.field_name].annotation))
            if int in types and bool not in types:
                raise PydanticCustomError("int_type", "Input should be a valid integer")
        return value


def _plain_types(annotation: object) -> Iterator[object]:
    """The types that a union or an Annotated consists of."""
    yield annotation
    for inner in get_args(annotation):
        yield from _plain_types(inner)


_BEGINS_WITH_A_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")


def read_time(text: str) -> datetime:
    """A time of RFC 3339, in any case of ``T`` and ``Z``; also without offset or seconds, or only a day.

    ISO 8601's other forms (weeks, no separators) are refused: few know them, and digits look like seconds
    since 1970.

    :raises ValueError: anything else.
    """
    if not _BEGINS_WITH_A_DAY.match(text):
        raise ValueError("not a time of RFC 3339")
    return datetime.fromisoformat(text.upper())


def _a_text(value: object) -> object:
    """Let pydantic see only texts: it takes numbers for seconds, or milliseconds, since 1970."""
    if isinstance(value, str) and _BEGINS_WITH_A_DAY.match(value):
        return value
    raise PydanticCustomError("datetime_type", "Input should be a valid datetime")


#: A time in a body: RFC 3339 with an offset, converted to UTC, as protobuf's Timestamp requires.
Moment = Annotated[AwareDatetime, BeforeValidator(_a_text), AfterValidator(_in_utc)]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TWO_DIGITS: Final = tuple(f"{number:02d}" for number in range(60))


def rfc3339(moment: Timestamp) -> str:
    """``2026-01-02T03:04:05.123456Z``; microseconds are left out if they are zero.

    ``datetime.isoformat`` takes twice as long, and a page has hundreds of times.
    """
    hours, rest = divmod(moment.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    micros = moment.nanos // 1000
    fraction = f".{micros:06d}" if micros else ""
    return f"{_hour(hours)}{_TWO_DIGITS[minutes]}:{_TWO_DIGITS[seconds]}{fraction}Z"


@lru_cache(maxsize=4096)
def _hour(hours: int) -> str:
    """``2026-01-02T03:``, the given number of hours after 1970 began."""
    return (_EPOCH + timedelta(hours=hours)).isoformat()[: len("2026-01-02T03:")]
