"""The sink answers boto3 like S3 in everything that an upload, a download and their clean-up need."""

from __future__ import annotations

import contextlib
import io
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from benchmarks import payload, sinkserver, yardstick
from benchmarks.sinkserver import Sink
from storage_service.repairing.identity import KEY

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bench"
PART = 5 * payload.MIB


@pytest.fixture
def s3(sink: Sink) -> S3Client:
    return yardstick.client(sink.endpoint, unsigned=False)


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def test_it_compiles_once_per_source(tmp_path: Path) -> None:
    first = sinkserver.binary(tmp_path)
    made = first.stat().st_mtime_ns
    assert sinkserver.binary(tmp_path) == first
    assert first.stat().st_mtime_ns == made
    assert list(tmp_path.iterdir()) == [first]


def test_an_object_keeps_its_size_headers_and_checksum(s3: S3Client) -> None:
    put = s3.put_object(
        Bucket=BUCKET, Key="a b/ü", Body=b"x" * 1000, Metadata={"who": "me"}, ChecksumCRC32C="AAAAAA=="
    )
    head = s3.head_object(Bucket=BUCKET, Key="a b/ü", ChecksumMode="ENABLED")
    assert head["ContentLength"] == 1000
    assert head["ETag"] == put["ETag"]
    assert head["Metadata"] == {"who": "me"}
    assert put["ChecksumCRC32C"] == head["ChecksumCRC32C"] == "AAAAAA=="


def test_what_is_read_is_the_pattern(s3: S3Client) -> None:
    s3.put_object(Bucket=BUCKET, Key="read", Body=payload.block() * 2 + payload.block()[:7])
    body = s3.get_object(Bucket=BUCKET, Key="read")["Body"].read()
    assert body == payload.block() * 2 + payload.block()[:7]


def test_whose_bucket_it_is_cannot_be_read(s3: S3Client) -> None:
    """Bytes other than those written would be another installation's, and stop all uploads."""
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"{}")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key=KEY)
    assert code_of(caught) == "AccessDenied"


@pytest.mark.parametrize(
    ("range_header", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=1048570-1048579", 1048570, 1048579), ("bytes=-3", 1999997, 1999999)],
)
def test_ranges(s3: S3Client, range_header: str, first: int, last: int) -> None:
    s3.put_object(Bucket=BUCKET, Key="ranges", Body=b"x" * 2_000_000)
    answer = s3.get_object(Bucket=BUCKET, Key="ranges", Range=range_header)
    assert answer["ContentRange"] == f"bytes {first}-{last}/2000000"
    assert answer["Body"].read() == (payload.block() * 2)[first : last + 1]


def test_a_range_past_the_end_is_refused(s3: S3Client) -> None:
    s3.put_object(Bucket=BUCKET, Key="short", Body=b"x")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="short", Range="bytes=5-")
    assert code_of(caught) == "InvalidRange"


def test_a_multipart_upload_becomes_the_sum_of_its_parts(s3: S3Client) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="multi", Metadata={"attempt": "1"})
    upload_id = upload["UploadId"]
    for number, size in ((2, 11), (1, PART), (2, 17)):
        s3.upload_part(Bucket=BUCKET, Key="multi", UploadId=upload_id, PartNumber=number, Body=b"x" * size)
    done = s3.complete_multipart_upload(
        Bucket=BUCKET, Key="multi", UploadId=upload_id, ChecksumCRC32C="AAAAAA=="
    )
    head = s3.head_object(Bucket=BUCKET, Key="multi", ChecksumMode="ENABLED")
    assert head["ContentLength"] == PART + 17
    assert head["Metadata"] == {"attempt": "1"}
    assert (done["ETag"], done["ChecksumCRC32C"]) == (head["ETag"], head["ChecksumCRC32C"])


def test_an_aborted_upload_is_unknown(s3: S3Client, sink: Sink) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="gone")
    assert sink.stats()["uploads"] == 1
    s3.abort_multipart_upload(Bucket=BUCKET, Key="gone", UploadId=upload["UploadId"])
    assert sink.stats()["uploads"] == 0
    with pytest.raises(ClientError) as caught:
        s3.upload_part(Bucket=BUCKET, Key="gone", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    assert code_of(caught) == "NoSuchUpload"


def test_if_none_match_keeps_the_first(s3: S3Client) -> None:
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"second!", IfNoneMatch="*")
    assert code_of(caught) == "PreconditionFailed"
    assert s3.head_object(Bucket=BUCKET, Key="once")["ContentLength"] == 5


@pytest.mark.parametrize("many", [False, True])
def test_deleted_objects_are_gone(s3: S3Client, many: bool) -> None:
    s3.put_object(Bucket=BUCKET, Key="del/1", Body=b"x")
    if many:
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "del/1"}, {"Key": "del/2"}]})
    else:
        s3.delete_object(Bucket=BUCKET, Key="del/1")
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket=BUCKET, Key="del/1")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_upload_fileobj_and_back(s3: S3Client, sink: Sink, tmp_path: Path) -> None:
    size = 20 * payload.MIB + 3
    before = sink.stats()
    s3.upload_fileobj(io.BytesIO(b"".join(payload.chunks(size))), BUCKET, "whole")
    after = sink.stats()
    assert after["bytes_in"] - before["bytes_in"] == size
    assert after["parts"] - before["parts"] == 3
    s3.download_file(BUCKET, "whole", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"".join(payload.chunks(size))


def test_a_request_may_arrive_byte_by_byte(sink: Sink) -> None:
    with socket.create_connection(("127.0.0.1", sink.port), timeout=60) as connection:
        for _ in range(2):  # the second one on the same connection
            for byte in b"PUT /bench/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
                connection.sendall(bytes([byte]))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_nonsense_closes_only_its_own_connection(sink: Sink) -> None:
    with socket.create_connection(("127.0.0.1", sink.port), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n" + b"x" * 70_000)
        with contextlib.suppress(ConnectionResetError):  # it does not read what it did not understand
            assert connection.recv(65536) == b""
    assert sink.stats()["uploads"] == 0
