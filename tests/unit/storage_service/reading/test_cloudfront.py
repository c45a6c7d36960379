"""CloudFront's signatures, checked like CloudFront does: with only the public key."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from servicekit.settings import SettingError
from storage_service.metadata.files import FileReader
from storage_service.objectstore.values import ObjectRef, SignedRequest
from storage_service.reading.cloudfront import LATEST, cloudfront_urls
from storage_service.reading.signer import Edge, Signer
from strongroom.metadata.v1.file_pb2 import VISIBILITY_PRIVATE, VISIBILITY_PUBLIC, File
from strongroom.storage.v1.download_pb2 import SignUrlRequest, SignUrlResponse

BASE = "https://d111.cloudfront.net"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ENDS = datetime(2030, 1, 1, tzinfo=UTC)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def verified(url: str) -> tuple[str, int]:
    """Verify the signature. Return the signed resource and its end (seconds since 1970)."""
    resource, _, signed = url.rpartition("&Expires=" if "&Expires=" in url else "?Expires=")
    query = parse_qs("Expires=" + signed)
    ends = int(query["Expires"][0])
    statement = {"Resource": resource, "Condition": {"DateLessThan": {"AWS:EpochTime": ends}}}
    policy = json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()
    text = query["Signature"][0].translate(str.maketrans("-_~", "+=/"))
    KEY.public_key().verify(base64.b64decode(text), policy, padding.PKCS1v15(), hashes.SHA1())
    assert query["Key-Pair-Id"] == ["K1"]
    return resource, ends


class NoStore:
    """Refuses to sign: everything should be read through the CDN."""

    async def presign_get(self, ref: ObjectRef, expires: timedelta, **_: object) -> SignedRequest:
        raise AssertionError(f"{ref} was signed for S3, for {expires}")


class OneFile(FileReader):
    """Returns the same file for every request."""

    def __init__(self, visibility: int) -> None:
        self.file = File(
            id="1", key="paths/al=20ice/a b&ü.html", filename="ü.html", content_type="text/html",
            version_id="v?1", visibility=visibility,  # type: ignore[arg-type]
        )  # fmt: skip

    async def get(self, *_: object) -> File:
        return self.file

    async def get_many(self, *_: object) -> list[File]:
        return [self.file]


async def signed(visibility: int, request: SignUrlRequest) -> SignUrlResponse:
    edge = Edge(cloudfront_urls("K1", pem(KEY)), LATEST)
    signer = Signer(
        NoStore(),  # type: ignore[arg-type]
        OneFile(visibility),
        public_base_url=BASE + "/",
        edge=edge,
    )
    return await signer.sign(request)


async def test_the_signature_holds() -> None:
    url = await cloudfront_urls("K1", pem(KEY)).sign(f"{BASE}/a", ENDS)
    assert verified(url) == (f"{BASE}/a", int(ENDS.timestamp()))
    assert await cloudfront_urls("K1", pem(KEY)).sign(f"{BASE}/a", ENDS) == url


async def test_private_files_are_signed_for_their_time() -> None:
    before = datetime.now(UTC).timestamp()
    response = await signed(VISIBILITY_PRIVATE, SignUrlRequest(key="x/y", expires_in_seconds=60))
    resource, ends = verified(response.url)
    parts = urlsplit(resource)
    assert parts.path == "/paths/al%3D20ice/a%20b%26%C3%BC.html"
    query = parse_qs(parts.query)
    assert query["versionId"] == ["v?1"]
    assert query["response-content-type"] == ["text/html"]
    assert query["response-content-disposition"][0].startswith("attachment")
    assert before + 58 <= ends <= before + 120
    assert response.expires_in_seconds == 60
    assert response.expire_time.seconds == ends


async def test_urls_of_public_files_stay() -> None:
    first = await signed(VISIBILITY_PUBLIC, SignUrlRequest(key="x/y", expires_in_seconds=60))
    assert verified(first.url) == (f"{BASE}/paths/al%3D20ice/a%20b%26%C3%BC.html", 2**31 - 1)
    assert not first.HasField("expire_time")
    assert first.expires_in_seconds == 0
    assert (await signed(VISIBILITY_PUBLIC, SignUrlRequest(key="x/y"))).url == first.url


async def test_the_key_may_stand_in_a_file_or_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(KEY))
    for given in (str(path), pem(KEY).replace("\n", "\\n")):
        assert verified(await cloudfront_urls("K1", given).sign(f"{BASE}/a", ENDS))[0] == f"{BASE}/a"


@pytest.mark.parametrize(
    "given",
    ["/no/such/file", "-----BEGIN PRIVATE KEY-----\nx\n", pem(ec.generate_private_key(ec.SECP256R1()))],
)
def test_other_keys_are_refused_without_being_shown(given: str) -> None:
    with pytest.raises(SettingError, match=r"^STRONGROOM_CLOUDFRONT_PRIVATE_KEY: ") as refused:
        cloudfront_urls("K1", given)
    assert given not in str(refused.value)
