"""Credentials between Strongroom's processes, and what they vouch for about a call's bearer token.

Authorization is decided once, when the request arrives. For a token that expires about now (or has just
become valid), a credential also names the SHA-256 of that very token and the time when it was verified. This
gives no access by itself: whoever steals the credential still needs the token, whose signature is always
checked.

Services prove that they are services (``InternalCredential``). A refusal is never the user's fault: a wrong
secret or clock is the operator's, so the error is INTERNAL_TOKEN_INVALID (503), and the log of the refusing
service names the cause.

The gateway proves that it has counted the call (``GatewayCredential``), so that the services don't count it
again. Otherwise a user would be allowed less through the gateway than around it, and to the services all
users would come from the gateway's address.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

import structlog

from servicekit.auth import signatures
from servicekit.auth.tokens import (
    CLOCK_SKEW_SECONDS,
    INTERNAL_AUDIENCE,
    ClaimRules,
    UnverifiedToken,
    VerificationKey,
    parse,
    signed,
    verified_claims,
)
from strongroom.errors import InternalTokenInvalid, TokenExpired, TokenInvalid

#: Metadata (and headers) that identify the caller.
AUTHORIZATION: Final = "authorization"
INTERNAL: Final = "x-strongroom-internal"
GATEWAY: Final = "x-strongroom-gateway"
#: How far the clock of the vouching process may differ, in seconds.
LEEWAY_SECONDS: Final = CLOCK_SKEW_SECONDS + 30
#: The longest duration of a request that is vouched for, a transfer over a slow connection, with different
#: clocks.
MAX_REQUEST_SECONDS: Final = 24 * 3600.0 + LEEWAY_SECONDS


def digest_of(token: str) -> bytes:
    """A digest that identifies a token in places where the token itself must not be stored."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def is_possible(arrived: float) -> bool:
    """Whether a request in progress can have arrived then (seconds since 1970): not in the future, and no
    longer ago than the longest request lasts.
    """
    now = time.time()
    return now - MAX_REQUEST_SECONDS <= arrived <= now + LEEWAY_SECONDS


LIFETIME_SECONDS: Final = 60
#: The operator needs one line, not one for each refused request. Seconds.
LOG_EVERY_SECONDS: Final = 10.0
#: Only the operator can fix it; clients retry now and then. Seconds.
RETRY_SECONDS: Final = 5.0

Cause = Literal["secret", "clock", "form", "unset"]

log = structlog.get_logger(__name__)


class InternalCredential:
    """Proof that a call comes from a Strongroom service: an HS256 token valid for 60 s.

    It is accepted if the two clocks differ by no more than ``CLOCK_SKEW_SECONDS``.
    """

    def __init__(self, secret: str, *old: str, subject: str = "storage_service") -> None:
        """``old``: secrets whose tokens are accepted, too."""
        self._key = _key(secret)
        self._keys = (self._key, *map(_key, old))
        self._subject = subject
        self._rules = ClaimRules(
            max_lifetime=LIFETIME_SECONDS, leeway=LEEWAY_SECONDS, audience=(INTERNAL_AUDIENCE,)
        )
        self._minted = ""
        self._minted_at = 0

    def mint(self) -> str:
        """A token for the next call. It is reused for half of its life; if the clock is set back, a new one
        is made.
        """
        now = int(time.time())
        if not self._minted or not 0 <= now - self._minted_at < LIFETIME_SECONDS / 2:
            self._minted, self._minted_at = self._sign(now), now
        return self._minted

    def vouch(self, token: str, arrived: float) -> str:
        """Like ``mint``, and vouch that this bearer token was verified when the request arrived at
        ``arrived`` (seconds since 1970): the token may have expired since.
        """
        return self._sign(int(time.time()), tok=digest_of(token).hex(), arr=arrived)

    def act_for(self, user_id: str) -> str:
        """Like ``mint``, for a call on behalf of a user who has not signed in: a guest has opened the user's
        share.
        """
        return self._sign(int(time.time()), act=user_id)

    def _sign(self, now: int, **more: object) -> str:
        claims = {"aud": INTERNAL_AUDIENCE, "sub": self._subject, "iat": now, "exp": now + LIFETIME_SECONDS}
        return signed({**claims, **more}, self._key)

    def verify(self, token: str) -> str:
        """The name of the calling service.

        :raises InternalTokenInvalid: the cause is in the log.
        """
        subject: str = self.verified(token)["sub"]
        return subject

    def verified(self, token: str) -> dict[str, Any]:
        """All claims. Raises like ``verify``."""
        try:
            unverified = parse(token)
            return verified_claims(unverified, self._signing_key(unverified), self._rules)
        except (TokenInvalid, TokenExpired) as error:
            if error.metadata.get("claim") in ("exp", "iat", "nbf") or isinstance(error, TokenExpired):
                self._refuse_clock(token)
            refuse_internal("form", error.message)

    def _signing_key(self, token: UnverifiedToken) -> VerificationKey:
        said = token.algorithm, token.signing_input
        key = next((key for key in self._keys if signatures.holds(*said, key.key, token.signature)), None)
        if key is None:
            refuse_internal(
                "secret", "its signature does not match: STRONGROOM_INTERNAL_SECRET differs in the services"
            )
        return key

    def _refuse_clock(self, token: str) -> NoReturn:
        """The signature is valid, the dates are not: the caller's clock shows ``iat``, or up to half a minute
        more.
        """
        unbounded = ClaimRules(max_lifetime=2**40, leeway=2**40, audience=(INTERNAL_AUDIENCE,))
        unverified = parse(token)
        issued = verified_claims(unverified, self._signing_key(unverified), unbounded).get("iat", 0)
        differ = round(abs(time.time() - issued))
        refuse_internal(
            "clock", f"the clocks differ by {differ} s; more than {CLOCK_SKEW_SECONDS} s are refused", differ
        )


def _key(secret: str) -> VerificationKey:
    return VerificationKey(secret.encode(), frozenset({"HS256"}))


def vouched_arrival(claims: Mapping[str, Any], token: str) -> float | None:
    """The time when the calling service verified ``token``; None if it does not vouch for this very token, or
    if the time is impossible (in the future, or longer ago than any request lasts).
    """
    arrived = claims.get("arr")
    if not isinstance(arrived, int | float) or isinstance(arrived, bool):
        return None
    if claims.get("tok") != digest_of(token).hex():
        return None
    return float(arrived) if is_possible(arrived) else None


_logged: dict[str, float] = {}


def refuse_internal(cause: Cause, why: str, seconds: int | None = None) -> NoReturn:
    """Raise InternalTokenInvalid, and log why for the operator. ``seconds``: the difference of the clocks."""
    now = time.monotonic()
    if now - _logged.get(cause, -LOG_EVERY_SECONDS) >= LOG_EVERY_SECONDS:
        _logged[cause] = now
        # no process of ours sends anything else than a credential; any caller can
        tell = log.warning if cause == "form" else log.error
        tell("internal_credential_refused", cause=cause, why=why)
    metadata = {"cause": cause} if seconds is None else {"cause": cause, "seconds": str(seconds)}
    raise internal_token_invalid(metadata)


def internal_token_invalid(metadata: Mapping[str, str]) -> InternalTokenInvalid:
    """The error shown to users, who cannot fix the cause."""
    return InternalTokenInvalid(
        "Two of Strongroom's services refuse each other; the operator finds the reason in their logs. "
        "Your request and your token are not at fault: try again later.",
        metadata=metadata,
        retry_after=RETRY_SECONDS,
    )


#: How long one proof is sent, in seconds; it is valid for ``SKEW_SECONDS`` around that, because clocks
#: differ.
PERIOD_SECONDS: Final = 60
SKEW_SECONDS: Final = 300


class GatewayCredential:
    """``<time>[.<arrival in ms>.<SHA-256 of the token>].<HMAC-SHA-256 of that>`` with
    STRONGROOM_GATEWAY_SECRET.
    """

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()
        self._minted = ""
        self._minted_at = 0
        self._known = ""

    def mint(self) -> str:
        """The proof for this minute."""
        period = int(time.time()) // PERIOD_SECONDS * PERIOD_SECONDS
        if period != self._minted_at:
            self._minted, self._minted_at = f"{period}.{self._signature(period)}", period
        return self._minted

    def vouch(self, token: str, arrived: float) -> str:
        """Like ``mint``, and vouch that this bearer token was valid at ``arrived`` (seconds since 1970)."""
        said = f"{int(time.time())}.{int(arrived * 1000)}.{digest_of(token).hex()}"
        return f"{said}.{self._signature(said)}"

    def proves(self, text: str) -> bool:
        """Whether ``text`` was made with this secret within the last minutes. Never raises: a call without a
        proof is counted like any other.
        """
        differ = _clock_difference(text)
        if differ is None or differ > PERIOD_SECONDS + SKEW_SECONDS:
            return False
        if text == self._known:
            return True
        if not self._is_ours(text):
            return False
        self._known = text
        return True

    def clock_differs(self, text: str) -> int | None:
        """The seconds by which our clock differs from that of the gateway that made ``text``; None if few, or
        if it was not made with this secret.
        """
        differ = _clock_difference(text)
        if differ is None or differ <= PERIOD_SECONDS + SKEW_SECONDS or not self._is_ours(text):
            return None
        return differ

    def _is_ours(self, text: str) -> bool:
        said, _, signature = text.rpartition(".")
        return hmac.compare_digest(signature.encode(), self._signature(said).encode())

    def arrival(self, text: str, token: str) -> float | None:
        """The time when the gateway verified ``token``, seconds since 1970; None if ``text`` does not vouch
        for this very token, or is no proof.
        """
        fields = text.split(".")
        if len(fields) != 4 or fields[2] != digest_of(token).hex() or not self.proves(text):
            return None
        arrived = int(fields[1]) / 1000
        return arrived if is_possible(arrived) else None

    def _signature(self, said: object) -> str:
        return hmac.new(self._key, f"strongroom-gateway:{said}".encode(), hashlib.sha256).hexdigest()


def _clock_difference(text: str) -> int | None:
    """The seconds between the time of a proof and now, in either direction, rounded up; None: it is no
    proof.
    """
    said, _, _ = text.rpartition(".")
    moment = said.partition(".")[0]
    if not (moment.isascii() and moment.isdigit() and len(moment) < 13):
        return None
    return math.ceil(abs(time.time() - int(moment)))
