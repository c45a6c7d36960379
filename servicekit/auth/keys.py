"""Sources of verification keys: a shared secret, one public key, or (``jwks.py``) a key set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

from servicekit.auth.signatures import ASYMMETRIC, CURVES, HMAC, RSA, RSA_PSS
from servicekit.auth.tokens import VerificationKey
from servicekit.settings import CommonSettings, SettingError

MIN_RSA_BITS: Final = 2048
#: Accepted unless STRONGROOM_JWT_ALGORITHMS says otherwise.
DEFAULT_HMAC: Final = frozenset({"HS256"})
DEFAULT_ASYMMETRIC: Final = frozenset({"RS256", "ES256", "EdDSA"})


class KeySource(Protocol):
    """Finds the key for a token."""

    async def find(self, algorithm: str, kid: str | None) -> VerificationKey | None:
        """The key that may verify ``algorithm``; ``kid`` only selects among the available keys.

        :raises ServiceUnavailable: the keys can't be fetched.
        """

    async def aclose(self) -> None:
        """Close connections."""


class StaticKey:
    """One key for any ``kid``."""

    def __init__(self, key: VerificationKey) -> None:
        self._key = key

    async def find(self, algorithm: str, kid: str | None) -> VerificationKey | None:
        """The key, if the algorithm belongs to its family."""
        del kid  # with one key there is nothing to select
        return self._key if algorithm in self._key.algorithms else None

    async def aclose(self) -> None:
        """Nothing to close."""


def allowed_algorithms(settings: CommonSettings) -> frozenset[str]:
    """The algorithms accepted by the settings.

    :raises SettingError: an unknown one, or one that does not fit the kind of key.
    """
    symmetric = settings.jwt_secret is not None
    fitting, default = (HMAC.keys(), DEFAULT_HMAC) if symmetric else (ASYMMETRIC, DEFAULT_ASYMMETRIC)
    chosen = frozenset(settings.jwt_algorithms)
    wrong = sorted(chosen - fitting)
    if wrong:
        problem = (
            f"{', '.join(wrong)} can't be verified with this kind of key; use {', '.join(sorted(fitting))}"
        )
        raise SettingError("STRONGROOM_JWT_ALGORITHMS", problem)
    if chosen & RSA and chosen & RSA_PSS:
        raise SettingError("STRONGROOM_JWT_ALGORITHMS", "RS* and PS* are two families; accept one of them")
    return chosen or default


def fitting_algorithms(key: object) -> frozenset[str]:
    """The algorithms that a public key can verify; empty for weak or unknown keys."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - see signatures.py

    if isinstance(key, rsa.RSAPublicKey):
        return RSA | RSA_PSS if key.key_size >= MIN_RSA_BITS else frozenset()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return frozenset({CURVES[key.curve.name]}) if key.curve.name in CURVES else frozenset()
    if isinstance(key, ed25519.Ed25519PublicKey):
        return frozenset({"EdDSA"})
    return frozenset()


def secret_key(settings: CommonSettings) -> VerificationKey:
    """The settings' shared secret as a key."""
    assert settings.jwt_secret is not None  # noqa: S101 - checked by the caller
    return VerificationKey(settings.jwt_secret.get_secret_value().encode(), allowed_algorithms(settings))


def public_key(settings: CommonSettings) -> VerificationKey:
    """The settings' PEM (inline, or as a path) as a key.

    :raises SettingError: unreadable, private, weak, or of a kind that no accepted algorithm uses.
    """
    name = "STRONGROOM_JWT_PUBLIC_KEY"
    key = _load_pem(_pem_text(settings.jwt_public_key or "", name), name)
    algorithms = fitting_algorithms(key) & allowed_algorithms(settings)
    if not algorithms:
        problem = (
            f"the key fits no accepted algorithm; RSA needs {MIN_RSA_BITS} bits, EC P-256, P-384 or P-521"
        )
        raise SettingError(name, problem)
    return VerificationKey(key, algorithms)


def _pem_text(given: str, name: str) -> str:
    if "-----BEGIN" in given:
        return given.replace("\\n", "\n")
    try:
        return Path(given).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SettingError(name, f"neither a PEM key nor a readable file ({reason})") from None


def _load_pem(text: str, name: str) -> Any:
    if "PRIVATE KEY" in text:
        raise SettingError(name, "holds a private key; give the services the public one only")
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see signatures.py
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - same
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - same

    try:
        if "BEGIN CERTIFICATE" in text:
            return load_pem_x509_certificate(text.encode()).public_key()
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise SettingError(name, "not a PEM public key that can be read") from None
