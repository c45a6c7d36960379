"""The rules for tokens, each with tokens that violate only that rule."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from servicekit.auth.tokens import ClaimRules, VerificationKey, parse, verified_claims
from servicekit.settings import CommonSettings
from strongroom.errors import TokenExpired, TokenInvalid
from tests.unit.servicekit.forge import SECRET, b64, claims, sign, token

KEY = VerificationKey(SECRET.encode(), frozenset({"HS256"}))
RULES = ClaimRules(max_lifetime=3600)
HEADER = '{"alg":"HS256","typ":"JWT"}'


def check(text: str, rules: ClaimRules = RULES, key: VerificationKey = KEY) -> dict[str, Any]:
    return verified_claims(parse(text), key, rules)


def refused(text: str, rules: ClaimRules = RULES, key: VerificationKey = KEY) -> TokenInvalid:
    with pytest.raises(TokenInvalid) as caught:
        check(text, rules, key)
    return caught.value


def test_a_good_token() -> None:
    assert check(token())["sub"] == "alice"
    assert check(jwt.encode(claims(), SECRET, "HS256"))["sub"] == "alice"


@pytest.mark.parametrize(
    "kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT", None]
)
def test_accepted_types(kind: str | None) -> None:
    assert check(token({"typ": kind}))["sub"] == "alice"


@pytest.mark.parametrize(
    "kind", ["JOSE", "dpop+jwt", "logout+jwt", "application/jwt", "at+jwt ", "*/at+jwt", "", 7, ["JWT"], True]
)
def test_refused_types(kind: object) -> None:
    assert refused(token({"typ": kind})).metadata == {"claim": "typ"}


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "HS257", 5, ["HS256"]])
def test_algorithms_that_are_none(algorithm: object) -> None:
    assert refused(token({"alg": algorithm})).metadata == {"claim": "alg"}


def test_unsigned_tokens() -> None:
    for unsigned in (
        jwt.encode(claims(), "", "none"),
        f"{b64(HEADER.encode())}.{b64(json.dumps(claims()).encode())}.",
    ):
        refused(unsigned)


def test_an_algorithm_of_another_family_than_the_key() -> None:
    assert refused(token(algorithm="HS512")).metadata == {"claim": "alg"}


def test_a_public_key_is_no_shared_secret() -> None:
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = VerificationKey(private.public_key(), frozenset({"RS256"}))
    assert check(token(algorithm="RS256", key=private), key=key)["sub"] == "alice"
    assert refused(token(algorithm="HS256", key=pem), key=key).metadata == {"claim": "alg"}
    # Even if a caller were so careless as to allow both:
    careless = VerificationKey(private.public_key(), frozenset({"RS256", "HS256"}))
    refused(token(algorithm="HS256", key=pem), key=careless)


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip"])
def test_headers_that_point_elsewhere(name: str) -> None:
    values: dict[str, Any] = {"jku": "https://evil.example/keys", "crit": ["exp"], "b64": False}
    error = refused(token({name: values.get(name, "x")}))
    assert error.metadata == {"claim": name}


@pytest.mark.parametrize("kid", ["", 5, "k" * 256, ["k"], {"a": 1}])
def test_kid_is_a_short_string(kid: object) -> None:
    assert refused(token({"kid": kid})).metadata == {"claim": "kid"}


@pytest.mark.parametrize("name", ["sub", "exp"])
def test_required_claims(name: str) -> None:
    assert refused(sign(HEADER, json.dumps(claims(**{name: None})))).metadata == {"claim": name}


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "s" * 256,
        "é" * 128,
        "a\x00b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        " alice",
        "alice ",
        "alice\u00a0",
        "\u3000alice",
        "\ufeffalice",
        "alice\u200b",
        "\u202ealice",
        "\talice",
        " ",
        5,
        1.5,
        True,
        ["a"],
        {"a": 1},
    ],
)
def test_refused_subjects(subject: object) -> None:
    assert refused(token(sub=subject)).metadata == {"claim": "sub"}


def test_a_lone_surrogate_is_no_subject() -> None:
    payload = json.dumps(claims()).replace('"alice"', '"\\ud800"')
    assert refused(sign(HEADER, payload)).metadata == {"claim": "sub"}


@pytest.mark.parametrize(
    "subject",
    [
        "s" * 255,
        "é" * 127,
        "auth0|5f7c",
        "a b",
        "用户",
        "../../x",
        "a%00b",
        "*",
        '"',
        "'",
        "%",
        "_",
        "\\",
        "a b c",
        "a\u200cb",
    ],
)
def test_accepted_subjects(subject: str) -> None:
    assert check(token(sub=subject))["sub"] == subject


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    ['"1700000000"', '"1.5"', "true", "false", "null", "-1", "-0.5", "[1]", "{}", "1e400", "1e300", "9" * 30],
)
def test_dates_are_finite_numbers_in_range(name: str, value: str) -> None:
    plain = json.dumps(claims(**{name: 0}))
    payload = plain.replace(f'"{name}": 0', f'"{name}": {value}')
    assert refused(sign(HEADER, payload)).metadata == {"claim": name}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "9" * 5000])
def test_numbers_that_are_not_json_or_absurd(value: str) -> None:
    refused(sign(HEADER, json.dumps(claims(exp=0)).replace('"exp": 0', f'"exp": {value}')))


def test_dates_may_have_fractions() -> None:
    now = time.time()
    assert check(token(exp=now + 600.5, iat=now - 0.25, nbf=now - 0.5))["sub"] == "alice"
    payload = json.dumps(claims(exp=0)).replace('"exp": 0', f'"exp": {int(now) + 60}e0')
    assert check(sign(HEADER, payload))["sub"] == "alice"
    with pytest.raises(TokenExpired):
        check(token(exp=now - 0.5, iat=None))
    assert refused(token(nbf=now + 30.5)).metadata == {"claim": "nbf"}
    assert refused(token(iat=now + 1e9, exp=now + 1e9 + 5)).metadata == {"claim": "iat"}


def test_a_clock_a_little_behind_the_issuers_is_no_reason_to_refuse() -> None:
    rules = ClaimRules(max_lifetime=3600, leeway=CommonSettings.model_fields["jwt_leeway_seconds"].default)
    now = time.time()
    assert check(token(nbf=now + 4), rules)["sub"] == "alice"
    assert check(token(exp=now - 4), rules)["sub"] == "alice"
    assert refused(token(nbf=now + 8), rules).metadata == {"claim": "nbf"}
    with pytest.raises(TokenExpired):
        check(token(exp=now - 6), rules)


def test_expiry_and_leeway() -> None:
    now = int(time.time())
    for exp in (now, now - 1, 0):
        with pytest.raises(TokenExpired):
            check(token(exp=exp, iat=None))
    lenient = ClaimRules(max_lifetime=3600, leeway=30)
    assert check(token(exp=now - 5), lenient)["sub"] == "alice"
    ending = parse(token(exp=now))
    assert verified_claims(ending, KEY, RULES, at=now - 0.001)["sub"] == "alice"
    with pytest.raises(TokenExpired):  # RFC 7519 section 4.1.4: "on or after"
        verified_claims(ending, KEY, RULES, at=now)
    with pytest.raises(TokenExpired):
        check(token(exp=now - 60), lenient)


def test_tokens_of_the_future() -> None:
    now = int(time.time())
    assert refused(token(nbf=now + 60)).metadata == {"claim": "nbf"}
    assert refused(token(iat=now + 400, exp=now + 500)).metadata == {"claim": "iat"}
    # iat says how old a token is; ours may be the clock that is behind, by five minutes.
    assert check(token(iat=now + 300, exp=now + 500))["sub"] == "alice"
    assert check(token(nbf=now + 20), ClaimRules(max_lifetime=3600, leeway=60))["sub"] == "alice"


def test_lifetime_cap() -> None:
    now = int(time.time())
    for long_lived in (
        token(iat=now, exp=now + 3602),
        token(iat=None, exp=now + 3602),
        token(iat=now - 3000, exp=now + 1000),
        # An iat shortly before exp makes no long life short.
        token(iat=now + 50, exp=now + 3640),
    ):
        assert refused(long_lived).metadata == {"claim": "exp"}
    assert check(token(iat=now, exp=now + 3600))["sub"] == "alice"


def test_audience_and_issuer_when_set() -> None:
    rules = ClaimRules(max_lifetime=3600, audience=("files", "vault"), issuer="https://id.example")
    good: dict[str, Any] = {"aud": ["other", "vault"], "iss": "https://id.example"}
    assert check(token(**good), rules)["sub"] == "alice"
    assert check(token(**{**good, "aud": "files"}), rules)["sub"] == "alice"
    changes: list[tuple[dict[str, Any], str]] = [
        ({"aud": None}, "aud"),
        ({"aud": "other"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ["file"]}, "aud"),
        ({"aud": {"files": 1}}, "aud"),
        ({"aud": ["files", 5]}, "aud"),
        ({"iss": None}, "iss"),
        ({"iss": "https://id.example/"}, "iss"),
        ({"iss": ["https://id.example"]}, "iss"),
    ]
    for change, claim in changes:
        assert refused(token(**{**good, **change}), rules).metadata == {"claim": claim}
    assert check(token(**good))["sub"] == "alice"


def test_size_limit() -> None:
    assert check(token(pad="x" * 5000))["sub"] == "alice"
    assert "8192" in refused(token(pad="x" * 8000)).message


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload.replace('"sub": "alice"', '"sub": "alice", "sub": "bob"'),
        lambda payload: payload.replace('"sub": "alice"', '"sub": "alice", "x": {"a": 1, "a": 2}'),
        lambda payload: payload.replace('"sub"', '"\\u0073ub": "bob", "sub"'),
        lambda payload: f"[{payload}]",
        lambda _: '"alice"',
        lambda _: "{}}",
        lambda _: "",
        lambda payload: payload + "x",
        lambda payload: "\ufeff" + payload,
    ],
)
def test_claims_are_one_json_object_with_unique_keys(change: Callable[[str], str]) -> None:
    assert "unique keys" in refused(sign(HEADER, change(json.dumps(claims())))).message


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"HS256","alg":"none"}',
        '{"alg":"none","alg":"HS256"}',
        '{"alg":"HS256","typ":"JWT","typ":"x"}',
        '["HS256"]',
        "",
        "[" * 6000,
    ],
)
def test_headers_are_one_json_object_with_unique_keys(header: str) -> None:
    assert refused(sign(header, json.dumps(claims()))) is not None


def test_claims_are_utf8() -> None:
    refused(sign(HEADER, json.dumps(claims(sub="é"), ensure_ascii=False).encode("latin-1")))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: text[:-1],
        lambda text: text[:-4] + "AAAA",
        lambda text: text + ".x",
        lambda text: text.replace(".", "..", 1),
        lambda text: "." + text,
        lambda text: text.split(".", 1)[1],
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.replace(".", ".\n", 1),
        lambda text: text[:10] + "é" + text[11:],
        lambda text: text.replace("e", "%65", 1),
        lambda text: "",
        lambda text: "...",
        lambda text: "a.b.c.d.e",
    ],
)
def test_the_form_is_exact(change: Callable[[str], str]) -> None:
    assert refused(change(token())) is not None


def test_non_canonical_base64_of_a_good_signature() -> None:
    good = token()
    # 32 bytes leave two spare bits in the last character: other characters decode to the same signature.
    twins = [good[:-1] + char for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    accepted = []
    for twin in twins:
        try:
            check(twin)
        except TokenInvalid:
            continue
        accepted.append(twin)
    assert accepted == [good]


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_arbitrary_text_is_refused_and_nothing_else(text: str) -> None:
    assert isinstance(refused(text), TokenInvalid)


@given(st.integers(0, 400), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(index: int, bit: int) -> None:
    raw = bytearray(token().encode())
    raw[index % len(raw)] ^= 1 << bit
    with pytest.raises(TokenInvalid):
        check(raw.decode("latin-1"))


def test_messages_hold_nothing_of_the_token() -> None:
    secretive = token(sub="very\nsecret", note="also-secret")
    assert "secret" not in refused(secretive).message
