"""Sends a signed request to the embedded S3 without boto3, whose import would dominate a short program.

AWS Signature Version 4 with one chunk; source: Amazon S3 API Reference, "Authenticating Requests".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from devstack.stackfile import S3Entry

_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.3
_SIGNED: Final = "content-md5;host;x-amz-content-sha256;x-amz-date"


def put(entry: S3Entry, subresource: str = "", body: bytes = b"") -> tuple[int, str]:
    """PUT the bucket (or its ``versioning``). Returns status and body.

    Retries while the store can't be reached or answers with 5xx. Raises OSError.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            status, answer = _put_once(entry, subresource, body)
        except (OSError, http.client.HTTPException) as error:
            if not left:
                raise OSError(f"{entry.endpoint}: {error}") from error
        else:
            if status < http.HTTPStatus.INTERNAL_SERVER_ERROR or not left:
                return status, answer
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _put_once(entry: S3Entry, subresource: str, body: bytes) -> tuple[int, str]:
    where = urlsplit(entry.endpoint)
    path, query = f"/{quote(entry.bucket)}", f"{subresource}=" if subresource else ""
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.hostname or "", where.port, timeout=60)
    try:
        headers = signed_headers(entry, path, query, body, datetime.now(UTC))
        connection.request("PUT", f"{path}?{query}" if query else path, body=body, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode("utf-8", "replace")
    finally:
        connection.close()


def signed_headers(entry: S3Entry, path: str, query: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a PUT of ``body``, including its signature at ``now``."""
    digest = hashlib.sha256(body).hexdigest()
    date, moment = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
    headers = {
        "content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        "host": urlsplit(entry.endpoint).netloc,
        "x-amz-content-sha256": digest,
        "x-amz-date": moment,
    }
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"PUT\n{path}\n{query}\n{lines}\n{_SIGNED}\n{digest}"
    scope = f"{date}/{entry.region}/s3/aws4_request"
    told = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{entry.secret_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, told.encode(), "sha256").hex()
    who = f"Credential={entry.access_key}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {who}, SignedHeaders={_SIGNED}, Signature={signature}"
    return headers
