"""Headers of tus: parsing and writing."""

from __future__ import annotations

import base64

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.families.tus import headers
from strongroom.errors import MalformedRequest, SizeLimitExceeded
from tests.unit.gateway.calls import make_call

ID = "B1ovwjfSq-HKomxR9_uxikNzrGPpbOQZ"


@pytest.mark.parametrize(
    ("sent", "length"),
    [
        ({"Upload-Length": "0"}, 0),
        ({"Upload-Length": " 12 "}, 12),
        ({"Upload-Length": str(2**63 - 1)}, 2**63 - 1),
        ({"Upload-Defer-Length": "1"}, None),
    ],
)
def test_lengths(sent: dict[str, str], length: int | None) -> None:
    assert headers.created_length(make_call(headers=sent)) == length


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Upload-Length": ""},
        {"Upload-Length": "+1"},
        {"Upload-Length": "\uff11"},
        {"Upload-Length": "1", "Upload-Defer-Length": "1"},
        {"Upload-Defer-Length": "0"},
    ],
)
def test_lengths_that_are_none(sent: dict[str, str]) -> None:
    with pytest.raises(MalformedRequest):
        headers.created_length(make_call(headers=sent))


def test_more_than_any_object_has_is_too_large() -> None:
    with pytest.raises(SizeLimitExceeded):
        headers.created_length(make_call(headers={"Upload-Length": str(2**63)}))


@pytest.mark.parametrize(
    ("value", "partials"),
    [
        ("partial", None),
        ("final;/files/a", ["a"]),
        ("final; /files/a  https://x.test/y/files/b?q=1 /files/a/", ["a", "b", "a"]),
        ("final;files/a%2Db", ["a-b"]),
        (f"final;/files/{ID}", [ID]),
        (f"final;https://x.test/files/{ID[1:]}/files/{ID}\t/files/{ID}/?files=1", [ID, ID]),
    ],
)
def test_concatenations(value: str, partials: list[str] | None) -> None:
    found = headers.upload_concat(make_call(headers={"Upload-Concat": value}))
    assert found is not None
    assert found.partials == partials


@pytest.mark.parametrize(
    "value",
    [
        "",
        "other",
        "final",
        "final;",
        "final;/other/a",
        "final;/files/",
        "final;/files/%ff",
        "final;http://[/files/a",
        f"final;/files/{ID}/files/{ID}",
        f"final;/files/{ID},/files/{ID}",
        f"final;/files/{ID};/files/{ID}",
        f"final;/files/{ID}%20/files/{ID}",
        f"final;/files/{ID}?/files/{ID}",
        f"final;/files/{ID}#/files/{ID}",
        f"final;http://x.test/files/{ID}http://x.test/files/{ID}",
    ],
)
def test_concatenations_that_are_none(value: str) -> None:
    with pytest.raises(MalformedRequest):
        headers.upload_concat(make_call(headers={"Upload-Concat": value}))
    many = "final;" + " ".join(["/files/a"] * (headers.MAX_PARTIALS + 1))
    with pytest.raises(MalformedRequest):
        headers.upload_concat(make_call(headers={"Upload-Concat": many}))


def test_checksums_become_those_of_the_contract() -> None:
    def parsed(algorithm: str, value: bytes) -> object:
        text = f"{algorithm} {base64.b64encode(value).decode()}"
        return headers.upload_checksum(make_call(headers={"Upload-Checksum": text}))

    assert parsed("sha1", bytes(range(20))).sha1 == bytes(range(20))  # type: ignore[attr-defined]
    assert parsed("sha256", bytes(range(32))).sha256 == bytes(range(32))  # type: ignore[attr-defined]
    assert parsed("crc32c", b"\1\2\3\4").crc32c == 0x01020304  # type: ignore[attr-defined]
    assert headers.upload_checksum(make_call()) is None


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({}, False),
        ({"Content-Length": "0"}, False),
        ({"Content-Length": "10"}, True),
        ({"Transfer-Encoding": "chunked"}, True),
    ],
)
def test_bodies(sent: dict[str, str], found: bool) -> None:
    assert headers.has_body(make_call(headers=sent)) == found


def test_ends_are_http_dates() -> None:
    assert headers.expires(Timestamp(seconds=784111777)) == (
        b"upload-expires",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
    )
