"""Key sets: which keys are used, how often the issuer is asked, and outages of the issuer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from servicekit.auth import jwks
from servicekit.auth.authenticator import Authenticator
from servicekit.auth.jwks import JwksKeys
from servicekit.auth.keys import DEFAULT_ASYMMETRIC
from servicekit.auth.tokens import ClaimRules
from servicekit.settings import CommonSettings, SettingError
from strongroom.errors import ServiceUnavailable, TokenInvalid
from tests.unit.servicekit.forge import token

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
URL = "https://id.example/keys"


def jwk(private: Any, kid: str | None, **extra: Any) -> dict[str, Any]:
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((kind for base, kind in kinds.items() if isinstance(private, base)), OKPAlgorithm)
    entry = json.loads(kind.to_jwk(private.public_key()))
    return {**entry, **({"kid": kid} if kid else {}), **extra}


class Issuer(httpx.AsyncBaseTransport):
    """Answers with ``keys``, or with ``broken`` when that is set; counts requests."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.broken: Any = None
        self.requests = 0
        self.now = 0.0
        self.gate: asyncio.Event | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.broken, Exception):
            raise self.broken
        if self.broken is not None:
            return httpx.Response(self.broken[0], content=self.broken[1])
        return httpx.Response(200, json={"keys": self.keys})

    def source(self, allowed: frozenset[str] = DEFAULT_ASYMMETRIC) -> JwksKeys:
        return JwksKeys(URL, allowed, transport=self, clock=lambda: self.now)


async def test_kid_selects() -> None:
    issuer = Issuer(jwk(RSA, "one"), jwk(OTHER_RSA, "two"), jwk(EC, "three"), jwk(ED, "four"))
    source = issuer.source()
    for kid, algorithm in (("one", "RS256"), ("two", "RS256"), ("three", "ES256"), ("four", "EdDSA")):
        found = await source.find(algorithm, kid)
        assert found is not None
        assert (found.kid, found.algorithms) == (kid, frozenset({algorithm}))
    # A key serves its own family only, whatever the token asks for.
    assert await source.find("ES256", "one") is None
    assert await source.find("HS256", "one") is None
    assert issuer.requests == 1
    await source.aclose()


async def test_without_kid_the_key_must_be_the_only_one_of_its_kind() -> None:
    source = Issuer(jwk(RSA, "one"), jwk(OTHER_RSA, "two"), jwk(EC, None)).source()
    assert await source.find("RS256", None) is None
    assert await source.find("ES256", None) is not None
    await source.aclose()


async def test_keys_that_are_not_for_us() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    issuer = Issuer(
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
        jwk(RSA, "enc", use="enc"),
        jwk(weak, "weak"),
        jwk(RSA, "alg", alg="HS256"),
        jwk(RSA, "other alg", alg="RS512"),
        {"kty": "RSA", "kid": "broken"},
        {"kid": "empty"},
        jwk(RSA, None) | {"kid": 5},
        jwk(RSA, "listed", alg=["RS256"]),
        jwk(RSA, "number") | {"n": 5},
        jwk(RSA, "text") | {"n": "!"},
        jwk(RSA, "even") | {"e": "AA"},
        jwk(EC, "off-curve") | {"x": "AAAA"},
        {"kty": ["RSA"], "kid": "kty"},
        "nonsense",  # type: ignore[arg-type]  # an issuer may send anything
        jwk(RSA, "good", alg="RS256", use="sig"),
    )
    source = issuer.source()
    for kid in (
        "oct",
        "enc",
        "weak",
        "alg",
        "other alg",
        "broken",
        "empty",
        "listed",
        "number",
        "text",
        "even",
        "off-curve",
    ):
        assert await source.find("RS256", kid) is None
        assert await source.find("HS256", kid) is None
    assert await source.find("RS256", "good") is not None
    await source.aclose()


async def test_an_unknown_kid_asks_again_but_not_often() -> None:
    issuer = Issuer(jwk(RSA, "one"))
    source = issuer.source()
    for number in range(100):
        assert await source.find("RS256", f"forged-{number}") is None
    assert issuer.requests == 1
    issuer.keys.append(jwk(OTHER_RSA, "two"))
    issuer.now += jwks.MIN_INTERVAL_SECONDS
    assert await source.find("RS256", "two") is not None
    assert issuer.requests == 2
    await source.aclose()


async def test_concurrent_callers_share_one_fetch_and_may_leave() -> None:
    issuer = Issuer(jwk(RSA, "one"))
    issuer.gate = asyncio.Event()
    source = issuer.source()
    callers = [asyncio.ensure_future(source.find("RS256", "one")) for _ in range(50)]
    await asyncio.sleep(0.01)
    callers[0].cancel()
    await asyncio.sleep(0.01)
    issuer.gate.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(getattr(key, "kid", None) == "one" for key in found[1:])
    assert issuer.requests == 1
    await source.aclose()


async def test_withdrawn_keys_go_with_the_next_fetch() -> None:
    issuer = Issuer(jwk(RSA, "one"))
    source = issuer.source()
    assert await source.find("RS256", "one") is not None
    issuer.keys = [jwk(OTHER_RSA, "two")]
    issuer.now += jwks.FRESH_SECONDS + 1
    assert await source.find("RS256", "one") is None
    await source.aclose()


BROKEN = [
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    (500, b"oops"),
    (302, b""),
    (200, b"<html>"),
    (200, b"[]"),
    (200, b'{"keys": {}}'),
    (200, b'{"keys": [' + b" " * jwks.MAX_DOCUMENT_BYTES + b"]}"),
    (200, b"\xff\xfe"),
    (200, b"[" * 100_000),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
async def test_a_broken_issuer(broken: Any) -> None:
    issuer = Issuer(jwk(RSA, "one"))
    issuer.broken = broken
    source = issuer.source()
    with pytest.raises(ServiceUnavailable) as caught:
        await source.find("RS256", "one")
    assert caught.value.metadata == {"service": "jwks"}
    issuer.broken = None
    issuer.now += jwks.MIN_INTERVAL_SECONDS
    assert await source.find("RS256", "one") is not None
    issuer.broken = broken
    issuer.now += jwks.FRESH_SECONDS + 1
    # Known keys outlive the issuer for a while, but not for ever.
    assert await source.find("RS256", "one") is not None
    issuer.now += jwks.STALE_SECONDS
    with pytest.raises(ServiceUnavailable):
        await source.find("RS256", "one")
    await source.aclose()


async def test_tokens_of_the_issuer() -> None:
    source = Issuer(jwk(RSA, "one"), jwk(EC, "two")).source()
    rules = ClaimRules(max_lifetime=3600)
    known = Authenticator(source, rules, optional=False, internal=None)
    good = token({"kid": "one", "alg": "RS256"}, RSA, "RS256")
    assert (await known.verify(f"Bearer {good}")).subject == "alice"
    for bad in (
        token({"kid": "one", "alg": "RS256"}, OTHER_RSA, "RS256"),
        token({"kid": "two", "alg": "RS256"}, RSA, "RS256"),
        token({"kid": "../../etc/passwd", "alg": "RS256"}, RSA, "RS256"),
        token({"kid": "one", "jku": URL, "alg": "RS256"}, RSA, "RS256"),
        token({"kid": "one", "jwk": jwk(OTHER_RSA, "one"), "alg": "RS256"}, OTHER_RSA, "RS256"),
    ):
        with pytest.raises(TokenInvalid):
            await known.verify(f"Bearer {bad}")
    await known.aclose()


@pytest.mark.parametrize(
    "url",
    ["id.example/keys", "ftp://id.example", "http://id.example/keys", "https://u:p@id.example", "https://"],
)
def test_urls_that_are_not_fit(url: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_JWKS_URL") as caught:
        JwksKeys.from_settings(CommonSettings(jwks_url=url))
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8000/keys", "http://localhost/keys"])
async def test_urls_that_are_fit(url: str) -> None:
    await JwksKeys.from_settings(CommonSettings(jwks_url=url)).aclose()
    allowed = CommonSettings(jwks_url="http://id.internal/keys", allow_plaintext=True)
    source = JwksKeys.from_settings(allowed)
    assert source is not None
    await source.aclose()


@pytest.mark.parametrize(
    "error", [KeyError("x"), AttributeError("x"), TypeError("x"), RuntimeError("closed")]
)
async def test_keys_outlive_any_failure_of_a_fetch(error: Exception) -> None:
    issuer = Issuer(jwk(RSA, "one"))
    source = issuer.source()
    assert await source.find("RS256", "one") is not None
    issuer.broken, issuer.now = error, jwks.FRESH_SECONDS + 1
    assert await source.find("RS256", "one") is not None
    issuer.broken, issuer.now = None, 2 * jwks.FRESH_SECONDS + 2
    issuer.keys = [jwk(OTHER_RSA, "two")]
    assert await source.find("RS256", "two") is not None
    await source.aclose()
