"""CloudFront signed URLs: a key pair of the distribution instead of S3's signature.

A canned policy, RSA with SHA-1, as CloudFront demands it:
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from servicekit.settings import SettingError

#: The latest moment that a policy may name (its time has 31 bits): what "permanent" comes to.
LATEST: Final = datetime.fromtimestamp(2**31 - 1, UTC)

_SETTING: Final = "STRONGROOM_CLOUDFRONT_PRIVATE_KEY"


class CloudFrontUrls:
    """Signs URLs of one distribution. The same URL and end give the same text, which pages may keep."""

    def __init__(self, key_id: str, key: rsa.RSAPrivateKey) -> None:
        self._signer = CloudFrontSigner(
            key_id,
            # SHA-1 is what CloudFront verifies; nobody but us chooses what is signed.
            lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303
        )

    async def sign(self, url: str, ends: datetime) -> str:
        """``url`` with ``Expires``, ``Signature``, ``Key-Pair-Id``; good until ``ends`` (whole seconds)."""
        # A millisecond of RSA; a list wants a hundred of them.
        return await asyncio.to_thread(self._signer.generate_presigned_url, url, date_less_than=ends)


def cloudfront_urls(key_id: str, private_key: str) -> CloudFrontUrls:
    """The signer of a key id and its private key: PEM text (line ends may be written as backslash and
    n), or the path of it.

    :raises SettingError: it is no RSA key in PEM, or can't be read.
    """
    try:
        pem = _pem(private_key)
        key = serialization.load_pem_private_key(pem, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(
            _SETTING, f"neither an unencrypted PEM key nor a readable file of one ({type(error).__name__})"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingError(_SETTING, "not an RSA key; this signature is RSA with SHA-1")
    return CloudFrontUrls(key_id, key)


def _pem(text: str) -> bytes:
    if "-----BEGIN" in text:
        return text.replace("\\n", "\n").encode()
    return Path(text).read_bytes()
