"""A time is absolute, or relative to now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from strongroom.client.retention import Retention
from strongroom.metadata.v1 import retention_service_pb2 as pb

FILE = "0b9e8a52-0f0e-4a39-8d8e-6f6f0b6f2a11"


class Asked:
    """A connection that records its requests."""

    def __init__(self) -> None:
        self.retention = SimpleNamespace(SetRetention=None)
        self.request = pb.SetRetentionRequest()

    async def unary(
        self, _: object, request: pb.SetRetentionRequest, **__: object
    ) -> pb.SetRetentionResponse:
        self.request = request
        return pb.SetRetentionResponse()


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda retention, when: retention.keep(FILE, when), "keep_until_time"),
        (lambda retention, when: retention.delete_after(FILE, when), "delete_after_time"),
    ],
)
async def test_a_span_counts_from_now(act: Callable[[Retention, Any], Any], field: str) -> None:
    asked = Asked()
    retention = Retention(cast("Any", asked))
    begun = datetime.now(UTC)
    await act(retention, timedelta(days=90))
    told = getattr(asked.request, field).ToDatetime(tzinfo=UTC)
    assert begun <= told - timedelta(days=90) <= datetime.now(UTC)
    moment = datetime(2033, 1, 1, tzinfo=UTC)
    await act(retention, moment)
    assert getattr(asked.request, field).ToDatetime(tzinfo=UTC) == moment
    with pytest.raises(ValueError, match="time zone"):
        await act(retention, datetime(2033, 1, 1))  # noqa: DTZ001 - what is refused
