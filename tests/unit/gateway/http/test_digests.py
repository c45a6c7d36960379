"""Checksums in headers: RFC 1864, 3230, 9530 and S3's own."""

from __future__ import annotations

import base64
import hashlib

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.digests import ContentDigest, file_checksums
from strongroom.errors import ChecksumMismatch, InvalidField, StrongroomError

DATA = b"hello world"
MD5 = hashlib.md5(DATA).digest()
SHA = hashlib.sha256(DATA).digest()
CRC = google_crc32c.value(DATA)


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


@pytest.mark.parametrize("name", ["crc32", "crc64nvme", "sha1"])
def test_checksums_of_s3_that_nobody_verifies(name: str) -> None:
    """Ignored, they would be taken for verified. Beside one that is verified they do no harm."""
    field = f"x-amz-checksum-{name}"
    with pytest.raises(InvalidField, match="is not supported") as refused:
        file_checksums({field: "AAAAAA=="}.get)
    assert refused.value.metadata["field"] == field
    assert file_checksums({field: "AAAAAA==", "x-amz-checksum-sha256": b64(SHA)}.get).sha256 == SHA


def test_nothing_stated() -> None:
    nothing: dict[str, str] = {}
    assert file_checksums(nothing.get).ByteSize() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"content-md5": b64(MD5)},
        {"digest": f"MD5={b64(MD5)}"},
        {"digest": f"md5={b64(MD5)}, unixsum=1"},
        {"repr-digest": f"md5=:{b64(MD5)}:"},
        {"repr-digest": f"sha-512=:{b64(b'x' * 64)}:, md5=:{b64(MD5)}:;p=1"},
    ],
)
def test_md5_in_each_spelling(headers: dict[str, str]) -> None:
    assert file_checksums(headers.get).md5 == MD5


@pytest.mark.parametrize(
    "headers",
    [
        {"digest": f"SHA-256={b64(SHA)}"},
        {"digest": f"sha-256=:{b64(SHA)}:"},
        {"repr-digest": f"sha-256=:{b64(SHA)}:"},
        {"x-amz-checksum-sha256": b64(SHA)},
    ],
)
def test_sha256_in_each_spelling(headers: dict[str, str]) -> None:
    assert file_checksums(headers.get).sha256 == SHA


def test_crc32c_is_big_endian() -> None:
    text = b64(CRC.to_bytes(4, "big"))
    for headers in ({"x-amz-checksum-crc32c": text}, {"repr-digest": f"crc32c=:{text}:"}):
        assert file_checksums(headers.get).crc32c == CRC
    zero = file_checksums({"x-amz-checksum-crc32c": "AAAAAA=="}.get)
    assert zero.HasField("crc32c")


def test_several_headers_that_agree() -> None:
    found = file_checksums({"content-md5": b64(MD5), "digest": f"md5={b64(MD5)},sha-256={b64(SHA)}"}.get)
    assert (found.md5, found.sha256) == (MD5, SHA)


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"content-md5": "zzz"}, "digest.length"),
        ({"content-md5": b64(SHA)}, "digest.length"),
        ({"content-md5": ""}, "digest.length"),
        ({"content-md5": MD5.hex()}, "digest.length"),
        ({"x-amz-checksum-crc32c": "!"}, "digest.length"),
        ({"digest": "md5"}, "digest.syntax"),
        ({"repr-digest": f"md5={b64(MD5)}"}, "digest.syntax"),
        ({"repr-digest": f"md5=:{b64(MD5)}: sha-256=:{b64(SHA)}:"}, "digest.syntax"),
        ({"repr-digest": f"sha-512=:{b64(b'x' * 64)}:"}, "digest.algorithm"),
        ({"digest": "unixsum=5"}, "digest.algorithm"),
        ({"content-md5": b64(MD5), "digest": f"md5={b64(SHA[:16])}"}, "digest.conflict"),
    ],
)
def test_refused(headers: dict[str, str], rule: str) -> None:
    with pytest.raises(InvalidField) as raised:
        file_checksums(headers.get)
    assert raised.value.metadata["rule"] == rule


@given(
    st.dictionaries(st.sampled_from(["digest", "repr-digest", "content-md5", "content-digest"]), st.text())
)
def test_any_text_is_taken_or_refused(headers: dict[str, str]) -> None:
    statuses = []
    try:
        file_checksums(headers.get)
        ContentDigest.parse(headers.get("content-digest"))
    except StrongroomError as error:
        statuses.append(error.http_status)
    assert statuses in ([], [422])


@pytest.mark.parametrize("covered", ["body", "file"])
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512", "md5"])
def test_content_digest_covers_body_or_file(covered: str, algorithm: str) -> None:
    body = b"--x\r\n\r\n" + DATA + b"\r\n--x--"
    value = hashlib.new(algorithm.replace("-", ""), body if covered == "body" else DATA).digest()
    digest = ContentDigest.parse(f"{algorithm}=:{b64(value)}:")
    assert digest is not None
    digest.update_body(body[:9])
    digest.update_body(body[9:])
    digest.update_file(DATA)
    digest.verify()
    digest.update_body(b"!")
    digest.update_file(b"!")
    with pytest.raises(ChecksumMismatch):
        digest.verify()


def test_content_digest_absent_or_unknown() -> None:
    assert ContentDigest.parse(None) is None
    with pytest.raises(InvalidField):
        ContentDigest.parse(f"crc32c=:{b64(b'1234')}:")


def test_an_algorithm_is_computed_once_however_often_it_is_named() -> None:
    """A header of 64 KiB could request thousands of checksums over each byte of the body."""
    value = b64(hashlib.sha512(DATA).digest())
    member = f"sha-512=:{value}:"
    digest = ContentDigest.parse(", ".join([member] * 500))
    assert digest is not None
    assert len(digest._running) == 1
    digest.update_body(DATA)
    digest.verify()
    with pytest.raises(InvalidField) as raised:
        ContentDigest.parse(f"{member}, sha-512=:{b64(b'other')}:")
    assert raised.value.metadata["rule"] == "digest.conflict"
