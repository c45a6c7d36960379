"""``Upload-Metadata``: comma-separated pairs of a key and a base64 value (tus 1.0, extension creation).

Also the upload's headers as they were sent, kept with the session, which does not interpret them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from strongroom.errors import InvalidField, MalformedRequest

#: Bytes of the header as sent. It is stored with the upload and echoed.
MAX_BYTES: Final = 15 * 1024
_KEY: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


def parse_metadata(value: str | None) -> dict[str, bytes]:
    """The pairs by key; ``{}`` without the header. A missing value is empty.

    :raises MalformedRequest: a key is empty, repeated or not ASCII, a value is not base64, or it is too long.
    """
    if value is None or not value.strip():
        return {}
    if len(value) > MAX_BYTES:
        raise MalformedRequest(
            f"Upload-Metadata may take {MAX_BYTES} bytes at most; send less with the upload."
        )
    found: dict[str, bytes] = {}
    for number, pair in enumerate(value.split(","), 1):
        key, _, text = pair.strip().partition(" ")
        if not _KEY.fullmatch(key):
            raise MalformedRequest(f"Upload-Metadata: pair {number} needs an ASCII key before its value.")
        if key in found:
            raise MalformedRequest(f"Upload-Metadata: the key {key[:64]} is there twice.")
        found[key] = _decoded(key, text)
    return found


def _decoded(key: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest(f"Upload-Metadata: the value of {key[:64]} is not base64.") from None


class MetadataFields(Mapping[str, str]):
    """The pairs as form fields: UTF-8 text, decoded on access, so that unknown keys may contain anything."""

    def __init__(self, pairs: Mapping[str, bytes]) -> None:
        self._pairs = pairs

    def __getitem__(self, key: str) -> str:
        value = self._pairs[key]
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidField(
                f"{key} must be UTF-8 below its base64.", field=key, rule="string.utf8"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Annotation:
    """``metadata``: Upload-Metadata; ``concat``: Upload-Concat of a final upload. Empty: not sent."""

    metadata: str = ""
    concat: str = ""

    def encode(self) -> bytes:
        """For CreateUpload and ConcatenateUploads."""
        values = {"metadata": self.metadata, "concat": self.concat}
        return json.dumps({"tus": {name: value for name, value in values.items() if value}}).encode("ascii")

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """From a session. A session begun by another protocol may contain anything here: only what is valid
        in a header is returned.
        """
        try:
            found = json.loads(raw)["tus"] if raw else {}
            return cls(_safe(found.get("metadata")), _safe(found.get("concat")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls()


def _safe(value: object) -> str:
    return value if isinstance(value, str) and _PRINTABLE.fullmatch(value) else ""
