from __future__ import annotations

import pytest

from storage_service.objectstore.s3.options import AddressingStyle, Endpoint, encode_key


@pytest.mark.parametrize(
    ("url", "style", "custom", "expected"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "auto", False, "https://b.s3.eu-west-1.amazonaws.com/k"),
        ("https://s3.eu-west-1.amazonaws.com", "path", False, "https://s3.eu-west-1.amazonaws.com/b/k"),
        ("http://localhost:9000", "auto", True, "http://localhost:9000/b/k"),
        ("http://localhost:9000/", "virtual", True, "http://b.localhost:9000/k"),
        ("https://host:443/gate%20way/", "auto", True, "https://host/gate%20way/b/k"),
        ("http://[::1]:5000", "auto", True, "http://[::1]:5000/b/k"),
        ("http://host:80", "auto", True, "http://host/b/k"),
    ],
)
def test_urls(url: str, style: AddressingStyle, custom: bool, expected: str) -> None:
    endpoint = Endpoint.of(url, "b", style, custom=custom)
    assert endpoint.url(endpoint.path_of("k")) == expected


def test_a_bucket_with_dots_keeps_its_certificate() -> None:
    endpoint = Endpoint.of("https://s3.amazonaws.com", "my.bucket", "auto", custom=False)
    assert endpoint.url(endpoint.path_of("k")) == "https://s3.amazonaws.com/my.bucket/k"


@pytest.mark.parametrize("url", ["host:9000", "ftp://host", "https://", "https://host/?a=b", ""])
def test_what_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValueError, match="https://host"):
        Endpoint.of(url, "b", "auto", custom=True)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]", True),
        ("http://localhost", True),
        ("http://s3.localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.org", False),
        ("http://minio:9000", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    assert Endpoint.of(url, "b", "path", custom=True).loopback is loopback


def test_keys_are_escaped_byte_by_byte() -> None:
    assert encode_key("a/ü b+%~../x") == "a/%C3%BC%20b%2B%25~../x"
    with pytest.raises(ValueError, match="empty"):
        encode_key("")
