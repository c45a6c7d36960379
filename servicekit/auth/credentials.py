"""What Strongroom's processes prove to each other with each call, and what they say of its bearer token.

Who may do something is decided once, when the request comes in: for a token that expires about now (or has
just begun to hold) a proof also names the SHA-256 of that very token and the moment at which it was verified.
It opens nothing else: whoever steals it is still asked for a token, whose signature is checked all the same.

Services prove that they are services (``InternalCredential``). A refusal there is never the user's fault: a
wrong secret or a wrong clock is the operator's, so it is INTERNAL_TOKEN_INVALID (503), and the log of the
service that refuses names the cause.

The gateway proves that it has counted the call (``GatewayCredential``). What it lets in is not counted again:
a user would get less through it than past it, and to the services everybody would come from the gateway's own
address.
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
    VerificationKey,
    parse,
    signed,
    verified_claims,
)
from strongroom.errors import InternalTokenInvalid, TokenExpired, TokenInvalid

#: Metadata (and headers) that say who calls.
AUTHORIZATION: Final = "authorization"
INTERNAL: Final = "x-strongroom-internal"
GATEWAY: Final = "x-strongroom-gateway"
#: How far the clock of the process that tells it may be off, seconds.
LEEWAY_SECONDS: Final = CLOCK_SKEW_SECONDS + 30
#: No request lasts longer (``servicekit.serving.channels.STREAM_SECONDS``), clocks that differ included.
MAX_REQUEST_SECONDS: Final = 24 * 3600.0 + LEEWAY_SECONDS


def digest_of(token: str) -> bytes:
    """What a token is known by where it must not be kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def is_possible(arrived: float) -> bool:
    """Whether a request in progress can have come in then (seconds since 1970): no longer ago than any
    request lasts, and not to come.
    """
    now = time.time()
    return now - MAX_REQUEST_SECONDS <= arrived <= now + LEEWAY_SECONDS


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


#: Seconds for which one proof is sent; it is good for ``SKEW_SECONDS`` around that, as clocks differ.
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
        """The proof of this minute."""
        period = int(time.time()) // PERIOD_SECONDS * PERIOD_SECONDS
        if period != self._minted_at:
            self._minted, self._minted_at = f"{period}.{self._signature(period)}", period
        return self._minted

    def vouch(self, token: str, arrived: float) -> str:
        """As ``mint``, with the word that this bearer token held at ``arrived`` (seconds since 1970)."""
        said = f"{int(time.time())}.{int(arrived * 1000)}.{digest_of(token).hex()}"
        return f"{said}.{self._signature(said)}"

    def proves(self, text: str) -> bool:
        """Whether ``text`` was made with this secret, within the last minutes. Never raises: a call
        without a proof is counted like anybody's.
        """
        differ = _seconds_ago(text)
        if differ is None or differ > PERIOD_SECONDS + SKEW_SECONDS:
            return False
        if text == self._known:
            return True
        if not self._is_ours(text):
            return False
        self._known = text
        return True

    def clock_differs(self, text: str) -> int | None:
        """The seconds by which our clock differs from that of the gateway which has made ``text``; None: by
        few, or it was not made with this secret.
        """
        differ = _seconds_ago(text)
        if differ is None or differ <= PERIOD_SECONDS + SKEW_SECONDS or not self._is_ours(text):
            return None
        return differ

    def _is_ours(self, text: str) -> bool:
        said, _, signature = text.rpartition(".")
        return hmac.compare_digest(signature.encode(), self._signature(said).encode())

    def arrival(self, text: str, token: str) -> float | None:
        """The moment at which the gateway has verified ``token``, seconds since 1970; None where ``text``
        says nothing of this very token, or proves nothing.
        """
        fields = text.split(".")
        if len(fields) != 4 or fields[2] != digest_of(token).hex() or not self.proves(text):
            return None
        arrived = int(fields[1]) / 1000
        return arrived if is_possible(arrived) else None

    def _signature(self, said: object) -> str:
        return hmac.new(self._key, f"strongroom-gateway:{said}".encode(), hashlib.sha256).hexdigest()


def _seconds_ago(text: str) -> int | None:
    """How long ago, or how far ahead, a proof says that it was made; None: it is none."""
    said, _, _ = text.rpartition(".")
    moment = said.partition(".")[0]
    if not (moment.isascii() and moment.isdigit() and len(moment) < 13):
        return None
    return math.ceil(abs(time.time() - int(moment)))
