"""Which keys are accepted for which algorithms, and the errors for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from servicekit.auth.keys import StaticKey, allowed_algorithms, public_key, secret_key
from servicekit.settings import CommonSettings, SettingError
from tests.unit.servicekit.forge import SECRET

RSA = rsa.generate_private_key(65537, 2048)


def pem(private: Any) -> str:
    public = private.public_key()
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def settings(**changes: Any) -> CommonSettings:
    return CommonSettings(**changes)


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [
        (RSA, "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
def test_one_family_per_key(private: Any, algorithm: str) -> None:
    assert public_key(settings(jwt_public_key=pem(private))).algorithms == {algorithm}


def test_further_algorithms_by_setting() -> None:
    curve = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(SettingError, match="JWT_PUBLIC_KEY"):
        public_key(settings(jwt_public_key=pem(curve)))
    chosen = settings(jwt_public_key=pem(curve), jwt_algorithms="ES384, RS256")
    assert public_key(chosen).algorithms == {"ES384"}
    pss = settings(jwt_public_key=pem(RSA), jwt_algorithms="PS256")
    assert public_key(pss).algorithms == {"PS256"}


@pytest.mark.parametrize("algorithms", ["none", "HS256", "RS256,none", "RS256,PS256", "rs256", "ES256K"])
def test_algorithms_that_do_not_fit_a_public_key(algorithms: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_JWT_ALGORITHMS"):
        allowed_algorithms(settings(jwt_public_key=pem(RSA), jwt_algorithms=algorithms))


@pytest.mark.parametrize("algorithms", ["none", "RS256", "HS256,ES256"])
def test_algorithms_that_do_not_fit_a_secret(algorithms: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_JWT_ALGORITHMS"):
        secret_key(settings(jwt_secret=SECRET, jwt_algorithms=algorithms))
    assert secret_key(settings(jwt_secret=SECRET)).algorithms == {"HS256"}
    assert secret_key(settings(jwt_secret=SECRET, jwt_algorithms="HS512")).algorithms == {"HS512"}


def test_weak_and_foreign_keys_are_refused() -> None:
    for private in (
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP256K1()),
        dsa.generate_private_key(2048),
        ed448.Ed448PrivateKey.generate(),
    ):
        with pytest.raises(SettingError, match="STRONGROOM_JWT_PUBLIC_KEY"):
            public_key(settings(jwt_public_key=pem(private)))


def test_a_path_a_text_or_a_text_with_escaped_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(RSA))
    for given in (str(path), pem(RSA), pem(RSA).replace("\n", "\\n")):
        assert public_key(settings(jwt_public_key=given)).algorithms == {"RS256"}


def test_private_keys_and_nonsense_are_refused(tmp_path: Path) -> None:
    private = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for given, said in (
        (private, "private key"),
        (str(tmp_path / "missing"), "No such file"),
        (str(tmp_path), "readable file"),
        (str(binary), "not text"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "can be read"),
    ):
        with pytest.raises(SettingError, match="STRONGROOM_JWT_PUBLIC_KEY") as caught:
            public_key(settings(jwt_public_key=given))
        assert said in str(caught.value)
        assert "MIIE" not in str(caught.value)


async def test_a_static_key_ignores_kid_and_other_families() -> None:
    source = StaticKey(public_key(settings(jwt_public_key=pem(RSA))))
    assert await source.find("RS256", "whatever") == await source.find("RS256", None) is not None
    assert await source.find("HS256", None) is None
    await source.aclose()
