"""Object metadata as header values: any text in, plain ASCII out, and back.

Values that plain ASCII cannot carry become RFC 2047 encoded words (``=?UTF-8?B?…?=``), the form in which S3
itself shows such values. Long ones are cut: the full text stands in the database, this is a copy for whoever
looks into the bucket, and stores limit it (Swift: 256 bytes a value; S3: 2 KiB in all).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

MAX_VALUE = 256
"""Bytes of one value in its header form."""
MAX_TOTAL = 2048
"""Bytes of all keys and values (S3 "Editing object metadata")."""

_PREFIX, _SUFFIX = "=?UTF-8?B?", "?="
_ENCODED = re.compile(r"=\?UTF-8\?B\?([A-Za-z0-9+/=]*)\?=", re.IGNORECASE)
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_KEY = re.compile(r"strongroom-[a-z0-9-]{1,50}|[a-z0-9][a-z0-9_]{0,63}")
_OWN_KEYS = "strongroom-"
_MAX_ENCODED_BYTES = (MAX_VALUE - len(_PREFIX) - len(_SUFFIX)) // 4 * 3


def encode_value(text: str) -> str:
    """Header form of ``text``, at most MAX_VALUE bytes; cut at a character where it is longer."""
    if _PLAIN.fullmatch(text) and "=?" not in text and "  " not in text and len(text) <= MAX_VALUE:
        return text
    raw = text.encode("utf-8", "replace")[:_MAX_ENCODED_BYTES].decode("utf-8", "ignore").encode()
    return f"{_PREFIX}{base64.b64encode(raw).decode('ascii')}{_SUFFIX}"


def decode_value(header: str) -> str:
    """Text of a header value; what is not in our form is returned as it is."""
    match = _ENCODED.fullmatch(header.strip())
    if match is None:
        return header
    try:
        return base64.b64decode(match[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return header


def encode(metadata: Mapping[str, str]) -> dict[str, str]:
    """All of an object's metadata in header form. Raises ValueError for a bad key or too much of it."""
    encoded = {key: encode_value(text) for key, text in metadata.items()}
    for key in encoded:
        if not _KEY.fullmatch(key):
            raise ValueError(f"metadata key {key!r}: at most 64 of a-z, 0-9 and '_', or strongroom-…")
    if sum(len(key) + len(text) for key, text in encoded.items()) > MAX_TOTAL:
        raise ValueError(f"object metadata exceeds {MAX_TOTAL} bytes")
    return encoded


def decode(headers: Mapping[str, str]) -> dict[str, str]:
    """Text of all values; keys in lower case.

    Swift turns ``_`` in the keys of multipart objects into ``-``, as CGI does with header names. Keys here
    have the one or the other (``encode`` sees to it), so it can be turned back.
    """
    return {_key(name.lower()): decode_value(text) for name, text in headers.items()}


def _key(name: str) -> str:
    return name if name.startswith(_OWN_KEYS) else name.replace("-", "_")
