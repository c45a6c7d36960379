"""Bearer token → Principal.

Verified tokens are cached, so that the usual case is one hash and one look-up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from servicekit.auth.credentials import (
    AUTHORIZATION,
    INTERNAL,
    LEEWAY_SECONDS,
    InternalCredential,
    digest_of,
    refuse_internal,
    vouched_arrival,
)
from servicekit.auth.keys import KeySource, StaticKey, public_key, secret_key
from servicekit.auth.principal import ANONYMOUS, Principal, effective_owner
from servicekit.auth.tokens import ClaimRules, parse, refuse, verified_claims
from servicekit.settings import CommonSettings
from strongroom.errors import TokenMissing
from strongroom.subjects import wrong_subject

log = structlog.get_logger(__name__)

__all__ = ["Authenticator", "InternalCredential", "Principal", "effective_owner"]

#: HS256 needs a key as long as its hash (RFC 7518 section 3.2).
ADVISED_SECRET_BYTES: Final = 32
CACHE_SIZE: Final = 4096
#: A cached token is verified again after this long, so that a withdrawn key stops working soon. Seconds.
CACHE_SECONDS: Final = 300.0


class Authenticator:
    """Verifies bearer tokens and internal credentials by the settings. One per process."""

    def __init__(
        self,
        keys: KeySource | None,
        rules: ClaimRules,
        *,
        optional: bool,
        internal: InternalCredential | None,
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._optional = optional
        self._internal = internal
        self._known: dict[bytes, tuple[float, Principal]] = {}
        self._known_internal: dict[bytes, tuple[float, Mapping[str, Any]]] = {}

    @classmethod
    def from_settings(cls, settings: CommonSettings) -> Authenticator:
        """Build from the settings; warns if callers may stay anonymous.

        :raises SettingError: a key can't be read.
        """
        optional = settings.auth == "optional"
        if optional:
            log.warning("STRONGROOM_AUTH=optional: calls without a token act as user 'anonymous'")
        key = settings.jwt_secret
        if key is not None and len(key.get_secret_value().encode()) < ADVISED_SECRET_BYTES:
            log.warning(
                "STRONGROOM_JWT_SECRET is short; RFC 7518 3.2 wants it longer", bytes=ADVISED_SECRET_BYTES
            )
        secrets = settings.internal_secrets()
        return cls(
            _key_source(settings),
            ClaimRules(
                max_lifetime=settings.jwt_max_lifetime_seconds,
                leeway=settings.jwt_leeway_seconds,
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
            ),
            optional=optional,
            internal=InternalCredential(*secrets) if secrets else None,
        )

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller, from metadata or HTTP headers with lower-case names; see ``verify``."""
        return await self.verify(headers.get(AUTHORIZATION), headers.get(INTERNAL))

    async def verify(
        self, authorization: str | None, internal: str | None = None, *, arrived: float | None = None
    ) -> Principal:
        """The caller, from the values of ``authorization`` and ``x-strongroom-internal``.

        Authorization is decided once, when the request arrives. The token must be valid at ``arrived``
        (seconds since 1970; default: now), or at the time when the calling service verified it, if the
        internal credential vouches for this very token.

        A service with the internal credential may act for a user who has not signed in
        (``InternalCredential.act_for``).

        :raises TokenMissing: no token, and neither optional auth nor an internal credential.
        :raises TokenInvalid, TokenExpired: an invalid token, also under optional auth.
        :raises InternalTokenInvalid: an invalid internal credential.
        :raises ServiceUnavailable: the issuer's keys can't be fetched.
        """
        credential = self._verify_internal(internal) if internal else {}
        service: str | None = credential.get("sub")
        if authorization:
            token = bearer(authorization)
            vouched = vouched_arrival(credential, token)
            principal = await self._verify_bearer(token, arrived if vouched is None else vouched)
            return replace(principal, internal=service) if service else principal
        lender = credential.get("act")
        if isinstance(lender, str) and lender and not wrong_subject(lender):
            return Principal(lender, internal=service, lent=True)
        if self._optional:
            return Principal(ANONYMOUS, internal=service)
        if service:
            return Principal("", internal=service)
        raise TokenMissing("No token was sent; send the header 'authorization: Bearer <token>'.")

    async def aclose(self) -> None:
        """Close connections to the issuer."""
        if self._keys is not None:
            await self._keys.aclose()

    async def _verify_bearer(self, token: str, at: float | None) -> Principal:
        digest = digest_of(token)
        known = self._known.get(digest)
        now = time.time()
        if known is not None and known[0] > now and known[1].expires > (now if at is None else at):
            return known[1]
        unverified = parse(token)
        key = await self._keys.find(unverified.algorithm, unverified.kid) if self._keys is not None else None
        if key is None:
            refuse("no known key fits its alg and kid", "kid" if unverified.kid else "alg")
        claims = verified_claims(unverified, key, self._rules, at=at)
        expires = claims["exp"] + self._rules.leeway
        principal = Principal(
            claims["sub"],
            is_admin=_is_admin(claims),
            token=token,
            expires=expires,
            begins=claims.get("nbf", 0),
        )
        self._remember(self._known, digest, expires, principal)
        return principal

    def _verify_internal(self, token: str) -> Mapping[str, Any]:
        if self._internal is None:
            refuse_internal(
                "unset", "this process has no STRONGROOM_INTERNAL_SECRET to check a credential with"
            )
        digest = digest_of(token)
        known = self._known_internal.get(digest)
        if known is not None and known[0] > time.time():
            return known[1]
        claims = self._internal.verified(token)
        if "tok" not in claims:  # otherwise the token is for a single call
            self._remember(self._known_internal, digest, claims["exp"] + LEEWAY_SECONDS, claims)
        return claims

    @staticmethod
    def _remember(known: dict[bytes, tuple[float, Any]], digest: bytes, exp: float, value: object) -> None:
        """Cache a verified token until it expires; if the table is full, the oldest entry is removed."""
        known.pop(digest, None)
        if len(known) >= CACHE_SIZE:
            del known[next(iter(known))]
        known[digest] = (min(exp, time.time() + CACHE_SECONDS), value)


def bearer(authorization: str) -> str:
    """The token of an Authorization header (RFC 6750 section 2.1: the scheme in any case, spaces, the token).

    :raises TokenInvalid: the header has another form.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        refuse("authorization must read 'Bearer <token>'")
    if token[:7].lower() == "bearer ":
        refuse("it has the word Bearer before it twice; send it once")
    return token


def _key_source(settings: CommonSettings) -> KeySource | None:
    if settings.jwt_secret is not None:
        return StaticKey(secret_key(settings))
    if settings.jwt_public_key is not None:
        return StaticKey(public_key(settings))
    if settings.jwks_url is not None:
        from servicekit.auth.jwks import JwksKeys  # noqa: PLC0415 - httpx takes 4 MiB that few processes need

        return JwksKeys.from_settings(settings)
    return None


def _is_admin(claims: Mapping[str, Any]) -> bool:
    """Whether the token has the admin role: ``roles`` contains ``admin``, or ``role`` is ``admin``."""
    roles = claims.get("roles")
    return claims.get("role") == "admin" or (isinstance(roles, list) and "admin" in roles)
