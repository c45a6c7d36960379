"""Signatures of tokens by algorithm name (RFC 7518).

HMAC uses the standard library. Asymmetric algorithms use PyJWT and cryptography, which are imported when the
first such signature is checked: they take 8 MiB that a process with a shared secret never needs.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

HMAC: Final[Mapping[str, str]] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
RSA: Final = frozenset({"RS256", "RS384", "RS512"})
RSA_PSS: Final = frozenset({"PS256", "PS384", "PS512"})
#: Algorithm by the curve of an elliptic key.
CURVES: Final[Mapping[str, str]] = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ASYMMETRIC: Final = RSA | RSA_PSS | frozenset(CURVES.values()) | {"EdDSA"}


def is_known(algorithm: str) -> bool:
    """Whether tokens may name ``algorithm`` at all; ``none`` is not allowed."""
    return algorithm in HMAC or algorithm in ASYMMETRIC


def sign(algorithm: str, message: bytes, secret: bytes) -> bytes:
    """The HMAC of ``message``."""
    return hmac.digest(secret, message, HMAC[algorithm])


def holds(algorithm: str, message: bytes, key: Any, signature: bytes) -> bool:
    """Whether ``signature`` is valid for ``message``.

    ``key``: bytes for HMAC, else a public key of cryptography; a key of the other kind never fits.
    """
    try:
        if algorithm in HMAC:
            return hmac.compare_digest(sign(algorithm, message, key), signature)
        return _asymmetric_holds(algorithm, message, key, signature)
    except (ValueError, TypeError):  # malformed signature bytes
        return False


def _asymmetric_holds(algorithm: str, message: bytes, key: Any, signature: bytes) -> bool:
    import jwt  # noqa: PLC0415 - see above

    try:
        return bool(jwt.get_algorithm_by_name(algorithm).verify(message, key, signature))
    except (NotImplementedError, jwt.exceptions.PyJWTError):
        return False
