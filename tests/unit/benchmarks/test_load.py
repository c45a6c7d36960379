"""The HTTP clients, against the sink."""

from __future__ import annotations

import pytest

from benchmarks import http_load, payload, yardstick
from benchmarks.sinkserver import Sink


@pytest.fixture
def url(sink: Sink) -> str:
    s3 = yardstick.client(sink.endpoint, unsigned=True)
    s3.put_object(Bucket="bench", Key="load", Body=payload.block() * 3)
    return f"{sink.endpoint}/bench/load"


def test_download_counts_the_bytes_of_the_body(url: str) -> None:
    assert http_load.download(url, "token") == 3 * payload.BLOCK


def test_an_error_is_raised_with_its_text(url: str) -> None:
    with pytest.raises(http_load.Refused, match=r"404 .*NoSuchKey"):
        http_load.download(url + "-not", "token")


def test_the_head_carries_token_and_query() -> None:
    text = http_load.head("GET", "http://h:1/p?q=1", "abc", "A: b").decode()
    assert text == "GET /p?q=1 HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer abc\r\nA: b\r\n\r\n"


def test_the_upload_states_its_exact_length() -> None:
    before, after = payload.form()
    head = http_load.upload_head("http://h:1/p", "abc", 10)
    assert f"Content-Length: {len(before) + 10 + len(after)}\r\n".encode() in head
    assert head.endswith(b"\r\n\r\n" + before)


def test_a_closed_loop_times_every_request(url: str) -> None:
    timings = http_load.closed_loop(url, http_load.head("GET", url, "t"), success=200, clients=3, seconds=0.3)
    assert len(timings.latencies) >= 3
    assert 0 < timings.p50 <= max(timings.latencies) <= timings.seconds
    assert timings.rate == len(timings.latencies) / timings.seconds


def test_a_closed_loop_ends_with_the_first_refusal(url: str) -> None:
    request = http_load.head("GET", url + "-not", "t")
    with pytest.raises(http_load.Refused, match="NoSuchKey"):
        http_load.closed_loop(url, request, success=200, clients=2, seconds=5)
