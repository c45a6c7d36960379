"""The cost of a resumable upload, from the sink's counters; and the counters themselves."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks import yardstick
from benchmarks.cases.resumable import CALLS, costs
from benchmarks.payload import MIB
from benchmarks.sinkserver import Sink


def counts(**named: int) -> dict[str, int]:
    return dict.fromkeys((*CALLS, "deletes", "bytes_in", "bytes_out"), 0) | named


def test_costs_are_per_byte_and_medians() -> None:
    size = 8 * MIB
    taken: list[Mapping[str, int]] = [
        counts(
            puts=7, gets=7, parts=1, creates=1, completes=1, heads=1, bytes_in=15 * MIB, bytes_out=7 * MIB
        ),
        counts(puts=7, gets=7, parts=1, creates=1, completes=1, heads=1, deletes=9, bytes_in=15 * MIB),
        counts(puts=100),
    ]
    calls, rate, written, read = costs({"one": taken}, size)["one"]
    assert calls == 18, "what the cleaner deletes is not counted"
    assert (rate, written, read) == pytest.approx((18 / 8, 15 / 8, 0))


def test_the_sink_counts_what_the_case_asks_for(sink: Sink) -> None:
    s3 = yardstick.client(sink.endpoint, unsigned=True)
    before = sink.stats()
    upload = s3.create_multipart_upload(Bucket="bench", Key="counted")
    s3.upload_part(Bucket="bench", Key="counted", UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * 10)
    after = sink.stats()
    assert {name: after[name] - before[name] for name in ("creates", "parts", "bytes_in", "puts")} == {
        "creates": 1, "parts": 1, "bytes_in": 10, "puts": 0,
    }  # fmt: skip
    assert set(CALLS) <= set(after)
