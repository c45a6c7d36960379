"""How one Strongroom service proves to another what it is.

A refusal here is never the user's fault: a wrong secret or a wrong clock is the operator's, so it is
INTERNAL_TOKEN_INVALID (503), and the log of the service that refuses names the cause.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

import structlog

from servicekit import signatures
from servicekit.arrivals import LEEWAY_SECONDS, digest_of, is_possible
from servicekit.tokens import (
    CLOCK_SKEW_SECONDS,
    INTERNAL_AUDIENCE,
    ClaimRules,
    VerificationKey,
    parse,
    signed,
    verified_claims,
)
from strongroom.errors import InternalTokenInvalid, TokenExpired, TokenInvalid

LIFETIME_SECONDS: Final = 60
#: What the operator needs is one line, not one for each request that is refused. Seconds.
LOG_EVERY_SECONDS: Final = 10.0
#: Nobody but the operator can mend it; clients look again now and then. Seconds.
RETRY_SECONDS: Final = 5.0

Cause = Literal["secret", "clock", "form", "unset"]

log = structlog.get_logger(__name__)


class InternalCredential:
    """Proof that a call comes from a Strongroom service: an HS256 token of 60 s.

    It is taken as long as the two clocks differ by no more than ``CLOCK_SKEW_SECONDS``.
    """

    def __init__(self, secret: str, subject: str = "storage_service") -> None:
        self._key = VerificationKey(secret.encode(), frozenset({"HS256"}))
        self._subject = subject
        self._rules = ClaimRules(
            max_lifetime=LIFETIME_SECONDS, leeway=LEEWAY_SECONDS, audience=(INTERNAL_AUDIENCE,)
        )
        self._minted = ""
        self._minted_at = 0

    def mint(self) -> str:
        """A token for the next call; the same one is used for half of its life, and a clock that is set
        back makes a new one.
        """
        now = int(time.time())
        if not self._minted or not 0 <= now - self._minted_at < LIFETIME_SECONDS / 2:
            self._minted, self._minted_at = self._sign(now), now
        return self._minted

    def vouch(self, token: str, arrived: float) -> str:
        """As ``mint``, with our word that we have verified this bearer token when it came in at ``arrived``
        (seconds since 1970): it may have expired since.
        """
        return self._sign(int(time.time()), tok=digest_of(token).hex(), arr=arrived)

    def act_for(self, user_id: str) -> str:
        """As ``mint``, to call for a user who has not signed in: a guest has opened their share."""
        return self._sign(int(time.time()), act=user_id)

    def _sign(self, now: int, **more: object) -> str:
        claims = {"aud": INTERNAL_AUDIENCE, "sub": self._subject, "iat": now, "exp": now + LIFETIME_SECONDS}
        return signed({**claims, **more}, self._key)

    def verify(self, token: str) -> str:
        """The name of the calling service.

        :raises InternalTokenInvalid: with the cause in the log.
        """
        subject: str = self.verified(token)["sub"]
        return subject

    def verified(self, token: str) -> dict[str, Any]:
        """All claims; raises like ``verify``."""
        try:
            unverified = parse(token)
            if not signatures.holds(
                unverified.algorithm, unverified.signing_input, self._key.key, unverified.signature
            ):
                refuse_internal(
                    "secret",
                    "its signature does not match: STRONGROOM_INTERNAL_SECRET differs in the services",
                )
            return verified_claims(unverified, self._key, self._rules)
        except (TokenInvalid, TokenExpired) as error:
            if error.metadata.get("claim") in ("exp", "iat", "nbf") or isinstance(error, TokenExpired):
                self._refuse_clock(token)
            refuse_internal("form", error.message)

    def _refuse_clock(self, token: str) -> NoReturn:
        """The signature holds, the dates don't: the caller's clock shows what ``iat`` says, or up to half a
        minute more.
        """
        unbounded = ClaimRules(max_lifetime=2**40, leeway=2**40, audience=(INTERNAL_AUDIENCE,))
        issued = verified_claims(parse(token), self._key, unbounded).get("iat", 0)
        differ = round(abs(time.time() - issued))
        refuse_internal(
            "clock", f"the clocks differ by {differ} s; more than {CLOCK_SKEW_SECONDS} s are refused", differ
        )


def vouched_arrival(claims: Mapping[str, Any], token: str) -> float | None:
    """The moment at which the calling service says it has verified ``token``; None where it says nothing of
    this very token, or of a moment that can't be (longer ago than any request lasts, or to come).
    """
    arrived = claims.get("arr")
    if not isinstance(arrived, int | float) or isinstance(arrived, bool):
        return None
    if claims.get("tok") != digest_of(token).hex():
        return None
    return float(arrived) if is_possible(arrived) else None


_logged: dict[str, float] = {}


def refuse_internal(cause: Cause, why: str, seconds: int | None = None) -> NoReturn:
    """Raise InternalTokenInvalid, and tell the operator why. ``seconds``: how far the clocks differ."""
    now = time.monotonic()
    if now - _logged.get(cause, -LOG_EVERY_SECONDS) >= LOG_EVERY_SECONDS:
        _logged[cause] = now
        log.error("internal_credential_refused", cause=cause, why=why)
    metadata = {"cause": cause} if seconds is None else {"cause": cause, "seconds": str(seconds)}
    raise internal_token_invalid(metadata)


def internal_token_invalid(metadata: Mapping[str, str]) -> InternalTokenInvalid:
    """The error as users see it: what is wrong is not theirs to mend."""
    return InternalTokenInvalid(
        "Two of Strongroom's services refuse each other; the operator finds the reason in their logs. "
        "Your request and your token are not at fault: try again later.",
        metadata=metadata,
        retry_after=RETRY_SECONDS,
    )
