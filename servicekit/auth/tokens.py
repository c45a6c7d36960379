"""JSON Web Tokens, read strictly: form first, then signature, then claims.

``signatures`` does the cryptography. The form is checked here, because the usual libraries accept what two
parsers may read differently: duplicate JSON keys, padded or non-canonical base64url, ``NaN``, header
parameters that refer to other keys. Rules: RFC 7515, RFC 7519, RFC 8725 (best current practices).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from servicekit.auth import signatures
from servicekit.json_text import parse_strict
from strongroom.errors import TokenExpired, TokenInvalid
from strongroom.subjects import wrong_subject

MAX_TOKEN_BYTES: Final = 8192
MAX_NUMERIC_DATE: Final = 253402300799  # 9999-12-31T23:59:59Z
#: RFC 7519 section 5.1 and RFC 9068 section 4, in any case; a token without ``typ`` is accepted, too.
TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
#: The tolerated difference between the clocks of two machines of an installation, in seconds.
CLOCK_SKEW_SECONDS: Final = 300
#: How far an issuer's clock may be ahead of ours before a fresh token's ``iat`` is refused, in seconds.
#: ``iat`` is the token's age, not the begin of its validity (that is ``nbf``).
IAT_SKEW_SECONDS: Final = CLOCK_SKEW_SECONDS + 30
#: Header parameters that name or contain another key, change how the payload is read, or require extensions.
REFUSED_HEADERS: Final = ("crit", "jku", "x5u", "jwk", "x5c", "b64", "zip")
INTERNAL_AUDIENCE: Final = "strongroom-internal"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key, and the algorithms of one family that it may verify."""

    key: Any
    algorithms: frozenset[str]
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A well-formed token. Nothing in it may be trusted before ``verified_claims``."""

    algorithm: str
    kid: str | None
    signing_input: bytes
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Rules for claims. ``audience`` and ``issuer`` empty: any. Seconds."""

    max_lifetime: int
    leeway: int = 0
    audience: Sequence[str] = ()
    issuer: str | None = None


def refuse(why: str, claim: str = "") -> NoReturn:
    """Raise TokenInvalid. ``why`` completes "The token was refused: …" and contains nothing of the token."""
    metadata = {"claim": claim} if claim else None
    raise TokenInvalid(f"The token was refused: {why}.", metadata=metadata)


def parse(token: str) -> UnverifiedToken:
    """Split a compact JWS and check its header.

    :raises TokenInvalid: too long, not three canonical base64url segments, a header that is no plain JSON
        object, ``alg`` missing or ``none``, a ``typ`` not in ``TYPES``, a refused header parameter.
    """
    if len(token) > MAX_TOKEN_BYTES:
        refuse(f"it is longer than {MAX_TOKEN_BYTES} bytes")
    segments = token.split(".")
    if len(segments) != 3 or not token.isascii():
        refuse("it is not a signed JWT, which has three parts separated by dots; copy all of it")
    header = _object(_decode(segments[0]), "header")
    for name in REFUSED_HEADERS:
        if name in header:
            refuse(f"its header carries {name}, which is never followed", name)
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or not signatures.is_known(algorithm):
        refuse("its algorithm is missing or unknown", "alg")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        refuse("its typ is not one of JWT, at+jwt and application/at+jwt", "typ")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= 255):
        refuse("its kid is not a string of 1 to 255 characters", "kid")
    signing_input = token[: token.rindex(".")].encode()
    return UnverifiedToken(algorithm, kid, signing_input, _decode(segments[1]), _decode(segments[2]))


def verified_claims(
    token: UnverifiedToken, key: VerificationKey, rules: ClaimRules, *, at: float | None = None
) -> dict[str, Any]:
    """The claims, after checking the signature and the claims. ``at``: the time at which they must be valid;
    default: now.

    :raises TokenInvalid: wrong signature or algorithm, or a claim that violates a rule.
    :raises TokenExpired: ``exp`` has passed.
    """
    if token.algorithm not in key.algorithms:
        refuse("its algorithm does not belong to the key", "alg")
    if not signatures.holds(token.algorithm, token.signing_input, key.key, token.signature):
        refuse("its signature does not match: it was changed, or another key has made it")
    claims = _object(token.payload, "claims")
    _check_dates(claims, rules, time.time() if at is None else at)
    _check_subject(claims.get("sub"))
    _check_parties(claims, rules)
    return claims


def _decode(segment: str) -> bytes:
    """Canonical, unpadded base64url (RFC 7515 section 2)."""
    try:
        data = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        refuse("a part of it is not base64url; copy all of it, as it is")
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != segment:
        refuse("a part of it is not canonical base64url; copy all of it, as it is")
    return data


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = parse_strict(data.decode("utf-8"))
    except ValueError:  # NotJson, or not UTF-8
        refuse(f"its {what} is not a JSON object with unique keys")
    if not isinstance(value, dict):
        refuse(f"its {what} is not a JSON object with unique keys")
    return value


def _numeric_date(claims: Mapping[str, Any], name: str) -> float | None:
    """Seconds since 1970, with or without a fraction (RFC 7519 section 2); ``1e999`` and true are invalid."""
    value = claims.get(name)
    if name not in claims:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_NUMERIC_DATE:
        refuse(f"its {name} is not a number of seconds between 1970 and 9999", name)
    return float(value)


def _check_dates(claims: Mapping[str, Any], rules: ClaimRules, now: float) -> None:
    exp, iat, nbf = (_numeric_date(claims, name) for name in ("exp", "iat", "nbf"))
    if exp is None:
        refuse("it has no exp", "exp")
    if exp + rules.leeway <= now:
        raise TokenExpired("The token has expired; get a new one.")
    if nbf is not None and nbf > now + rules.leeway:
        refuse("its nbf lies in the future", "nbf")
    if iat is not None and iat > now + rules.leeway + IAT_SKEW_SECONDS:
        refuse("its iat lies in the future", "iat")
    # One second more, because issuers round exp and iat differently.
    if exp - min(now if iat is None else iat, now) > rules.max_lifetime + rules.leeway + 1:
        refuse(f"it lives for more than {rules.max_lifetime} seconds", "exp")


def _check_subject(subject: object) -> None:
    if not isinstance(subject, str) or not subject:
        refuse("its sub is missing or no string", "sub")
    if wrong := wrong_subject(subject):
        refuse(f"its sub {wrong}", "sub")


def _check_parties(claims: Mapping[str, Any], rules: ClaimRules) -> None:
    audience = claims.get("aud", [])
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        refuse("its aud is neither a string nor a list of strings", "aud")
    if rules.audience and not set(rules.audience) & set(audiences):
        refuse("it was issued for another audience", "aud")
    if INTERNAL_AUDIENCE in audiences and INTERNAL_AUDIENCE not in rules.audience:
        refuse("it is an internal credential", "aud")
    if rules.issuer is not None and claims.get("iss") != rules.issuer:
        refuse("it comes from another issuer", "iss")


def signed(claims: Mapping[str, Any], key: VerificationKey) -> str:
    """A compact JWS of ``claims``, HS256. The claims are not checked."""
    segments = [{"alg": "HS256", "typ": "JWT"}, claims]
    text = b".".join(_encode(json.dumps(one, separators=(",", ":")).encode()) for one in segments)
    return (text + b"." + _encode(signatures.sign("HS256", text, key.key))).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
