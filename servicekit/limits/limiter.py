"""The limits that the gateway and the gRPC servers apply to users and addresses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn

from prometheus_client import CollectorRegistry

from servicekit.limits.counts import Buckets, Cap, Contention, Hold, Places, Rate, Turns
from servicekit.limits.metrics import LimitMetrics
from servicekit.limits.patience import Patience
from servicekit.limits.settings import CapSettings
from strongroom.errors import RateLimited

if TYPE_CHECKING:
    from servicekit.limits.redis_counts import RedisCounts  # redis takes 8 MiB that few processes need

#: Resumable uploads of one user being begun at the same time: each is a transaction, and others run between
#: them.
SESSIONS_AT_ONCE: Final = 2
#: Bytes of answers of one user, or address, that wait for their readers in a process; gRPC keeps three times
#: as much. At 9 Mbit/s more can't be read while an answer may wait (``STRONGROOM_SEND_IDLE_SECONDS``).
UNREAD_BYTES: Final = 32 << 20
WATCHES: Final = "user_watches"
TRANSFERS: Final = "user_transfers"
ARCHIVES: Final = "user_archives"
EXPORTS: Final = "user_exports"
PREVIEWS: Final = "address_previews"
IMPORTS: Final = "user_imports"


class Limiter:
    """The limits of one process, by user (a token's ``sub``) and by address.

    ``shared``: counts shared by replicas, asked after the process's own.
    """

    def __init__(
        self,
        settings: CapSettings,
        metrics: LimitMetrics | None = None,
        *,
        shared: RedisCounts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics or LimitMetrics(None)
        self._shared = shared
        self._clock = clock
        self._contention = Contention()
        self._patience = Patience(clock)
        self._session_turns = Turns(SESSIONS_AT_ONCE)
        s = settings
        self._requests = _buckets(
            "user_requests", "requests", s.user_requests_per_second, s.user_requests_burst
        )
        self._share = _buckets("user_share", "requests", s.user_share_per_second, s.user_share_burst)
        self._unsigned = _buckets(
            "address_requests",
            "requests without a token",
            s.address_requests_per_second,
            s.address_requests_burst,
        )
        self._sign_ins = _per_minute("failed_sign_ins", "failed sign-ins", s.failed_sign_ins_per_minute, -1)
        self._openings = _per_minute("share_openings", "openings of shares", s.share_openings_per_minute)
        self._drops = _per_minute("share_drops", "files dropped", s.share_drops_per_minute)
        self._sessions = _per_minute("user_sessions", "new resumable uploads", s.user_sessions_per_minute)
        self._imports = _per_minute("user_imports_begun", "imports", s.user_imports_per_minute)
        self._calls = Places(Cap("user_calls", "gRPC calls at once", s.user_calls))
        self._answers = Places(Cap("user_answers", "bytes of answers that wait to be read", UNREAD_BYTES))
        self._places = {
            cap.name: Places(cap)
            for cap in (
                Cap(WATCHES, "open notification streams", s.user_watches, retry_after=5.0),
                Cap(TRANSFERS, "transfers at once", s.user_transfers),
                Cap(ARCHIVES, "ZIPs at once", s.user_archives, retry_after=5.0),
                Cap(EXPORTS, "exports at once", s.user_exports, retry_after=5.0),
                Cap(PREVIEWS, "files of previews and links at once", s.address_previews),
                Cap(IMPORTS, "imports at once", s.user_imports, retry_after=2.0),
            )
        }

    async def request(self, user: str) -> None:
        """``user`` makes a request.

        :raises RateLimited: too many, by the hard rate, or by the share while others are active.
        """
        now = self._clock()
        contended = self._contention.seen(user, now)
        if contended and self._share is not None and (wait := self._share.take(user, now)):
            await self._refuse(self._share.rate, user, wait)
        await self._take(self._requests, user, now)

    async def unsigned_request(self, address: str) -> None:
        """An unauthenticated request comes from ``address`` (a ``client_key``).

        :raises RateLimited: too many.
        """
        await self._take(self._unsigned, address, self._clock())

    async def failed_sign_in(self, address: str) -> None:
        """A token from ``address`` is invalid.

        :raises RateLimited: too many were.
        """
        await self._take(self._sign_ins, address, self._clock())

    async def share_opening(self, address: str) -> None:
        """A client at ``address`` opens a share that counts its uses or has a password.

        :raises RateLimited: too many.
        """
        await self._take(self._openings, f"address {address}", self._clock())

    async def share_drop(self, address: str, share: str = "") -> None:
        """A file is dropped from ``address`` into ``share`` (a digest of its token; empty: not known yet).

        :raises RateLimited: too many from there, or into it.
        """
        now = self._clock()
        await self._take(self._drops, f"address {address}", now)
        if share:
            await self._take(self._drops, f"share {share}", now)

    async def session(self, user: str) -> Hold:
        """``user`` begins a resumable upload. Waits for the user's turn, which ends with the hold.

        :raises RateLimited: too many in a minute.
        """
        await self._take(self._sessions, user, self._clock())
        await self._patience.turn(user)
        return await self._session_turns.turn(user)

    async def imports(self, user: str, count: int = 1) -> None:
        """``user`` begins ``count`` imports.

        :raises RateLimited: too many in a minute.
        """
        await self._take(self._imports, user, self._clock(), count)
        await self._patience.turn(user)

    def refused_behind(self, user: str) -> None:
        """Note that a service behind this process has refused ``user`` by its own limit. Each such call
        costs, so if the user continues, the user's next requests wait before the service is called again.
        """
        self._patience.refused(user)

    async def call(self, key: str) -> Hold | None:
        """A gRPC call of ``key`` begins: a place, to be released when it has ended; None without a cap. Only
        this process counts: its own slots are at stake, and shared counts would cost a round trip per call.

        :raises RateLimited: ``key`` has all its places.
        """
        places = self._calls
        if not places.cap.most:
            return None
        if not places.enter(key):
            await self._refuse_place(places.cap, key)
        return Hold(lambda: places.leave(key))

    def answer(self, key: str, size: int) -> Hold | None:
        """``size`` bytes of an answer to ``key`` wait to be read: places, to be released when they have been.
        None: ``key`` lets too many bytes wait; drop the answer before ``refuse_answer``, which may take
        seconds.
        """
        answers = self._answers
        return Hold(lambda: answers.leave(key, size)) if answers.enter(key, size) else None

    async def refuse_answer(self, key: str) -> NoReturn:
        """:raises RateLimited: always."""
        await self._refuse_place(self._answers.cap, key)

    async def hold(self, name: str, key: str) -> Hold | None:
        """A place of the cap ``name``, to be released when its use ends; None without a cap.

        :raises RateLimited: ``key`` has all its places.
        """
        places = self._places[name]
        if not places.cap.most:
            return None
        if not places.enter(key):
            await self._refuse_place(places.cap, key)
        hold = Hold(lambda: places.leave(key))
        if self._shared is None:
            return hold
        try:
            lease = await self._shared.lease(places.cap, key)
        except BaseException:
            hold.release()
            raise
        if lease is None:
            hold.release()
            await self._refuse_place(places.cap, key)
        return _both(hold, lease)

    async def aclose(self) -> None:
        """Release the places held in the shared counts, and close the connection to them."""
        if self._shared is not None:
            await self._shared.aclose()

    async def _take(self, buckets: Buckets | None, key: str, now: float, amount: int = 1) -> None:
        if buckets is None:
            return
        wait = buckets.take(key, now, amount)
        if not wait and self._shared is not None:
            wait = await self._shared.take(buckets.rate, key, amount)
        if wait:
            await self._refuse(buckets.rate, key, wait)

    async def _refuse(self, rate: Rate, key: str, wait: float) -> NoReturn:
        self._metrics.refused(rate.name)
        self._patience.refused(key)
        await self._patience.turn(key)
        raise RateLimited(
            f"Too many: {rate.explained()}. Try again in {math.ceil(wait)} s.",
            retry_after=wait,
            metadata={"limit": rate.name},
        )

    async def _refuse_place(self, cap: Cap, key: str) -> NoReturn:
        self._metrics.refused(cap.name)
        self._patience.refused(key)
        await self._patience.turn(key)
        raise RateLimited(
            f"Too many: you may have {cap.most} {cap.what}. End one, or try again later.",
            retry_after=cap.retry_after,
            metadata={"limit": cap.name},
        )


def _both(one: Hold, other: Hold) -> Hold:
    def release() -> None:
        one.release()
        other.release()

    return Hold(release)


def _buckets(name: str, what: str, per_second: float, burst: int) -> Buckets | None:
    return Buckets(Rate(name, what, per_second, burst)) if per_second else None


def _per_minute(name: str, what: str, count: int, more: int = 0) -> Buckets | None:
    """A bucket for ``count`` events a minute. ``more`` -1: the event that reaches the count is
    refused, too.
    """
    return _buckets(name, what, count / 60, max(1, count + more))


def make_limiter(settings: CapSettings, registry: CollectorRegistry | None = None) -> Limiter:
    """A process's limits from its settings; ``aclose`` ends its connections to the shared counts."""
    metrics = LimitMetrics(registry)
    if settings.redis_url is None:
        return Limiter(settings, metrics)
    from servicekit.limits.redis_counts import RedisCounts  # noqa: PLC0415 - redis takes 8 MiB that few need

    url = settings.redis_url.get_secret_value()
    return Limiter(settings, metrics, shared=RedisCounts(url, settings.redis_seconds, metrics))
