"""AWS Signature Version 4 for S3: request headers, presigned URLs and POST policies.

Implemented here because every small file needs a signature: 8 µs per request with the signing key cached for
the day, against 70-200 µs for botocore's S3SigV4Auth. A test compares the signatures with botocore's. Source:
Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from storage_service.objectstore.values import Chunk

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of keys, which ``repr`` hides."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


def sha256_of(chunks: Iterable[Chunk]) -> str:
    """Return the hexadecimal SHA-256 of a body in pieces."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def encode_query(parameters: Mapping[str, str]) -> str:
    """Return the canonical query string, which is also used in the URL."""
    pairs = sorted((quote(name, safe="-._~"), quote(text, safe="-._~")) for name, text in parameters.items())
    return "&".join(f"{name}={text}" for name, text in pairs)


class SigV4:
    """Signs requests for one region. Threads may share an instance."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._cached: tuple[str, str, bytes] = ("", "", b"")

    def sign(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        *,
        payload_hash: str,
        credentials: Credentials,
        now: datetime,
    ) -> dict[str, str]:
        """Return ``headers`` (lower-case names, with ``host``), all of them signed, with those of SigV4
        added.

        ``path`` and ``query`` are escaped already; ``payload_hash`` is hexadecimal SHA-256 or
        UNSIGNED_PAYLOAD.
        """
        stamp = _stamp(now)
        signed = {**headers, "x-amz-content-sha256": payload_hash, "x-amz-date": stamp}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names, canonical = _canonical_headers(signed)
        request = f"{method}\n{path}\n{query}\n{canonical}\n{names}\n{payload_hash}"
        signature = self._signature(stamp, request, credentials)
        scope = self._scope(stamp)
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope},"
            f"SignedHeaders={names},Signature={signature}"
        )
        return signed

    def presign(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        credentials: Credentials,
        now: datetime,
        expires: int,
    ) -> str:
        """Return the query that authorises ``method`` on ``path`` with exactly ``headers`` for ``expires``
        seconds.
        """
        stamp = _stamp(now)
        names, canonical = _canonical_headers(headers)
        auth = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key_id}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": names,
        }
        if credentials.session_token:
            auth["X-Amz-Security-Token"] = credentials.session_token
        query = encode_query({**parameters, **auth})
        request = f"{method}\n{path}\n{query}\n{canonical}\n{names}\n{UNSIGNED_PAYLOAD}"
        return f"{query}&X-Amz-Signature={self._signature(stamp, request, credentials)}"

    def sign_policy(
        self,
        fields: Mapping[str, str],
        conditions: list[object],
        *,
        credentials: Credentials,
        now: datetime,
        expires_at: datetime,
    ) -> dict[str, str]:
        """Return the ``fields`` of a browser form with policy and signature added (S3 "POST policy").

        Each field becomes a condition.
        """
        stamp = _stamp(now)
        signed = {
            **fields,
            "x-amz-algorithm": _ALGORITHM,
            "x-amz-credential": f"{credentials.access_key_id}/{self._scope(stamp)}",
            "x-amz-date": stamp,
        }
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        policy = {
            "expiration": expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [*conditions, *({name: text} for name, text in signed.items())],
        }
        signed["policy"] = base64.b64encode(json.dumps(policy).encode()).decode("ascii")
        key = self._signing_key(stamp[:8], credentials)
        signed["x-amz-signature"] = hmac.digest(key, signed["policy"].encode(), "sha256").hex()
        return signed

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self._region}/s3/aws4_request"

    def _signature(self, stamp: str, canonical_request: str, credentials: Credentials) -> str:
        digest = hashlib.sha256(canonical_request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{stamp}\n{self._scope(stamp)}\n{digest}"
        return hmac.digest(self._signing_key(stamp[:8], credentials), text.encode(), "sha256").hex()

    def _signing_key(self, day: str, credentials: Credentials) -> bytes:
        secret = credentials.secret_access_key
        cached_day, cached_secret, key = self._cached  # one tuple: racing threads see the old or the new
        if (cached_day, cached_secret) != (day, secret):
            key = f"AWS4{secret}".encode()
            for text in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, text.encode(), "sha256")
            self._cached = (day, secret, key)
        return key


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _canonical_headers(headers: Mapping[str, str]) -> tuple[str, str]:
    names = sorted(headers)
    lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
    return ";".join(names), lines
