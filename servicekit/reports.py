"""Reports to be archived: a JSON document in canonical form, signed.

Signed with Ed25519 (RFC 8032), with a key derived from the internal secret: anybody with the public key can
verify a report years later, without the installation and without being able to make one
(docs/decisions/0050-signed-verification-reports.md).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_PURPOSE: Final = b"strongroom verification report, version 1"


@dataclass(frozen=True, slots=True)
class SignedReport:
    """``signature`` (64 bytes) covers exactly ``document``; ``public_key`` (32 bytes) verifies it."""

    document: bytes
    signature: bytes
    public_key: bytes


class ReportSigner:
    """Holds the key; one instance per process."""

    def __init__(self, secret: bytes) -> None:
        self._seed = hmac.digest(secret, _PURPOSE, hashlib.sha256)

    def sign(self, document: bytes) -> SignedReport:
        """Sign with the installation's key."""
        # Imported only if needed: the library for keys takes megabytes.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        key = Ed25519PrivateKey.from_private_bytes(self._seed)
        return SignedReport(document, key.sign(document), key.public_key().public_bytes_raw())


def canonical(document: Mapping[str, Any]) -> bytes:
    """Equal documents give equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
