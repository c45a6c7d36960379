"""Checksums in request headers.

``Content-MD5``, ``Digest``, ``Repr-Digest`` and ``x-amz-checksum-*`` contain the checksum of the **file's
bytes**. They are sent with the spec, and storage_service verifies them before the file becomes visible.
``Content-Digest`` (RFC 9530 section 2) is about the message content, so it is verified here; it may match the
request body or the file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from strongroom.errors import ChecksumMismatch, InvalidField
from strongroom.type.v1.checksums_pb2 import Checksums

_LENGTHS: Final = {"crc32c": 4, "md5": 16, "sha1": 20, "sha256": 32}
#: Names in the registries of RFC 9530 and RFC 3230 → ours.
_ALGORITHMS: Final = {"sha-256": "sha256", "sha256": "sha256", "md5": "md5", "crc32c": "crc32c"}
_SINGLE: Final = {
    "content-md5": "md5",
    "x-amz-checksum-crc32c": "crc32c",
    "x-amz-checksum-sha256": "sha256",
}
#: S3's other checksums, which nothing here computes.
_UNVERIFIED: Final = (
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
)
#: Algorithms of Content-Digest, computed here and only if the header is sent.
_CONTENT: Final = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5"}
_MEMBER: Final = re.compile(
    r"\s*(?P<name>[A-Za-z*][A-Za-z0-9_.*-]*)=:(?P<value>[A-Za-z0-9+/=]*):\s*(?:;[^,]*)?"
)


def file_checksums(header: Callable[[str], str | None]) -> Checksums:
    """The checksums of the file given in the headers; empty if there are none.

    :raises InvalidField: a value that is no checksum of its kind, a list without any algorithm we can verify
        (sha-256, md5, crc32c), only checksums of S3 that we can't, or two headers that disagree.
    """
    found: dict[str, bytes] = {}
    for field, algorithm, value in _stated(header):
        if found.setdefault(algorithm, value) != value:
            raise InvalidField(
                f"{field} contradicts another checksum header.", field=field, rule="digest.conflict"
            )
    if not found:
        _refuse_unverified(header)
    checksums = Checksums(md5=found.get("md5", b""), sha256=found.get("sha256", b""))
    if "crc32c" in found:
        checksums.crc32c = int.from_bytes(found["crc32c"], "big")
    return checksums


def _refuse_unverified(header: Callable[[str], str | None]) -> None:
    for field in _UNVERIFIED:
        if header(field) is not None:
            raise InvalidField(
                f"{field} is not supported; send x-amz-checksum-sha256 or x-amz-checksum-crc32c.",
                field=field,
                rule="digest.algorithm",
            )


def _stated(header: Callable[[str], str | None]) -> Iterator[tuple[str, str, bytes]]:
    for field, algorithm in _SINGLE.items():
        value = header(field)
        if value is not None:
            yield field, algorithm, checksum_of(field, algorithm, value.strip())
    for field, members in (("repr-digest", _dictionary), ("digest", _legacy)):
        value = header(field)
        if value is not None:
            yield from _supported(field, members(field, value))


def _supported(field: str, members: list[tuple[str, str]]) -> Iterator[tuple[str, str, bytes]]:
    known = [(_ALGORITHMS[name], text) for name, text in members if name in _ALGORITHMS]
    if not known:
        raise InvalidField(
            f"{field} has no supported algorithm; send sha-256, md5 or crc32c.",
            field=field,
            rule="digest.algorithm",
        )
    for algorithm, text in known:
        yield field, algorithm, checksum_of(field, algorithm, text)


def _dictionary(field: str, value: str) -> list[tuple[str, str]]:
    """``sha-256=:base64:, …``: a dictionary of byte sequences (RFC 8941)."""
    members: list[tuple[str, str]] = []
    position = 0
    while position < len(value):
        match = _MEMBER.match(value, position)
        if match is None or (match.end() < len(value) and value[match.end()] != ","):
            raise InvalidField(f"{field} must read sha-256=:base64:.", field=field, rule="digest.syntax")
        members.append((match["name"].lower(), match["value"]))
        position = match.end() + 1
    return members


def _legacy(field: str, value: str) -> list[tuple[str, str]]:
    """``SHA-256=base64, …`` (RFC 3230, obsolete and in use); the newer form is taken as well."""
    if "=:" in value:
        return _dictionary(field, value)
    pairs = [member.strip().partition("=") for member in value.split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise InvalidField(f"{field} must read SHA-256=base64.", field=field, rule="digest.syntax")
    return [(name.strip().lower(), text.strip()) for name, _, text in pairs]


def checksum_of(field: str, algorithm: str, text: str) -> bytes:
    """Decode the base64 of a checksum by crc32c (big-endian), md5, sha1 or sha256.

    :raises InvalidField: not base64, or not of the algorithm's length.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != _LENGTHS[algorithm]:
        raise InvalidField(
            f"{field} must be the base64 of the {_LENGTHS[algorithm]} bytes of a {algorithm} checksum.",
            field=field,
            rule="digest.length",
        )
    return value


@dataclass(slots=True)
class _Running:
    """One algorithm of Content-Digest, over the body and over the file."""

    name: str
    expected: bytes
    body: hashlib._Hash
    file: hashlib._Hash

    @classmethod
    def of(cls, name: str, expected: bytes) -> _Running:
        body, file = (hashlib.new(_CONTENT[name], usedforsecurity=False) for _ in range(2))
        return cls(name, expected, body, file)


class ContentDigest:
    """Verifies ``Content-Digest`` while a body passes. Without the header ``parse`` returns None, and there
    is no cost.
    """

    def __init__(self, running: list[_Running]) -> None:
        self._running = running

    @classmethod
    def parse(cls, value: str | None) -> ContentDigest | None:
        """Parse the header. Each algorithm is computed once, even if it is named several times.

        :raises InvalidField: not a dictionary of byte sequences, no algorithm among sha-256, sha-512, md5, or
            two values for one of them.
        """
        if value is None:
            return None
        expected: dict[str, bytes] = {}
        for name, text in _dictionary("content-digest", value):
            sent = _base64("content-digest", text) if name in _CONTENT else b""
            if name in _CONTENT and expected.setdefault(name, sent) != sent:
                raise InvalidField(
                    f"content-digest has two values for {name}.",
                    field="content-digest",
                    rule="digest.conflict",
                )
        if not expected:
            raise InvalidField(
                "content-digest has no supported algorithm; send sha-256, sha-512 or md5.",
                field="content-digest",
                rule="digest.algorithm",
            )
        return cls([_Running.of(name, sent) for name, sent in expected.items()])

    def update_body(self, data: bytes | bytearray) -> None:
        """Add the next bytes of the request body."""
        for one in self._running:
            one.body.update(data)

    def update_file(self, data: bytes | bytearray) -> None:
        """Add the next bytes of the file in the body."""
        for one in self._running:
            one.file.update(data)

    def verify(self) -> None:
        """Compare the checksums. Call it when the body is complete.

        :raises ChecksumMismatch: the value matches neither the body nor the file.
        """
        for one in self._running:
            sums = (one.body.digest(), one.file.digest())
            if not any(hmac.compare_digest(one.expected, value) for value in sums):
                raise ChecksumMismatch(
                    "The body does not have the Content-Digest that was sent, which covers the whole request"
                    " body (RFC 9530); for the file alone send Repr-Digest.",
                    metadata={
                        "algorithm": one.name,
                        "expected": base64.b64encode(one.expected).decode("ascii"),
                        "actual": base64.b64encode(sums[0]).decode("ascii"),
                    },
                )


def _base64(field: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidField(
            f"{field} must read sha-256=:base64:.", field=field, rule="digest.syntax"
        ) from None
