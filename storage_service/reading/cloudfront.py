"""CloudFront signed URLs, signed with a key pair of the distribution instead of S3's signature.

They have a canned policy, signed by RSA with SHA-1 as CloudFront requires:
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

#: The latest time that a policy can name (31 bits), used for URLs that are to be permanent.
LATEST: Final = datetime.fromtimestamp(2**31 - 1, UTC)

_SETTING: Final = "STRONGROOM_CLOUDFRONT_PRIVATE_KEY"


class CloudFrontUrls:
    """Signs URLs of one distribution. The same URL and end always give the same text, so pages can
    keep it.
    """

    def __init__(self, key_id: str, key: rsa.RSAPrivateKey) -> None:
        self._signer = CloudFrontSigner(
            key_id,
            # CloudFront verifies SHA-1. That is safe because only this service chooses what is signed.
            lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303
        )

    async def sign(self, url: str, ends: datetime) -> str:
        """Return ``url`` with ``Expires``, ``Signature``, ``Key-Pair-Id``; valid until ``ends`` (whole
        seconds).
        """
        # RSA takes a millisecond; a list needs a hundred signatures.
        return await asyncio.to_thread(self._signer.generate_presigned_url, url, date_less_than=ends)


def cloudfront_urls(key_id: str, private_key: str) -> CloudFrontUrls:
    """Return the signer for a key id and its private key.

    ``private_key``: PEM text (line ends may be written as backslash and n), or the path of a PEM file.

    :raises SettingError: it is not an RSA key in PEM, or can't be read.
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
