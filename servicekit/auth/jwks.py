"""Keys of an issuer, fetched from its JWKS URL (RFC 7517).

They are fetched at the first token and kept for ``FRESH_SECONDS``. A token with an unknown ``kid`` causes an
earlier fetch, at most once per ``MIN_INTERVAL_SECONDS``, whatever tokens arrive. Concurrent callers share one
fetch. While the issuer is down, the last keys stay valid for ``STALE_SECONDS``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

from servicekit.auth.keys import allowed_algorithms, fitting_algorithms
from servicekit.auth.tokens import VerificationKey
from servicekit.net import is_loopback
from servicekit.settings import CommonSettings, SettingError
from strongroom.errors import ServiceUnavailable

FRESH_SECONDS: Final = 600.0
MIN_INTERVAL_SECONDS: Final = 30.0
STALE_SECONDS: Final = 86400.0
TIMEOUT_SECONDS: Final = 5.0
MAX_DOCUMENT_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 64

log = structlog.get_logger(__name__)


class JwksKeys:
    """A ``KeySource`` over a JWKS URL."""

    def __init__(
        self,
        url: str,
        allowed: frozenset[str],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._allowed = allowed
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            transport=transport,
            headers={"accept": "application/json"},
        )
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    @classmethod
    def from_settings(cls, settings: CommonSettings) -> JwksKeys:
        """Build from ``jwks_url``.

        :raises SettingError: not an https URL (plain http is for loopback, or with
            STRONGROOM_ALLOW_PLAINTEXT).
        """
        name, url = "STRONGROOM_JWKS_URL", settings.jwks_url or ""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise SettingError(name, "not an https URL without credentials")
        if parts.scheme == "http" and not (is_loopback(parts.hostname) or settings.allow_plaintext):
            raise SettingError(
                name, "plain http outside of loopback; use https or set STRONGROOM_ALLOW_PLAINTEXT=true"
            )
        return cls(url, allowed_algorithms(settings))

    async def find(self, algorithm: str, kid: str | None) -> VerificationKey | None:
        """The key named by ``kid``; without ``kid``, the only key for ``algorithm``.

        :raises ServiceUnavailable: no keys yet, and the issuer does not answer.
        """
        if self._age(self._fetched) > FRESH_SECONDS:
            await self._refresh()
        found = self._select(algorithm, kid)
        if found is None and kid is not None:
            await self._refresh()
            found = self._select(algorithm, kid)
        if self._fetched is None or self._age(self._fetched) > STALE_SECONDS:
            raise ServiceUnavailable(
                "The token can't be checked: the issuer's keys can't be fetched. Try again in a moment.",
                metadata={"service": "jwks"},
                retry_after=MIN_INTERVAL_SECONDS,
            )
        return found

    async def aclose(self) -> None:
        """Cancel a fetch in progress, and close the connections."""
        if self._fetching is not None:
            self._fetching.cancel()
        await self._client.aclose()

    def _select(self, algorithm: str, kid: str | None) -> VerificationKey | None:
        fitting = [key for key in self._keys if algorithm in key.algorithms and kid in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None

    def _age(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._clock() - moment

    async def _refresh(self) -> None:
        """Fetch the keys, unless a fetch was tried a moment ago; join a fetch in progress. Failures are only
        logged.
        """
        if self._fetching is None:
            if self._age(self._tried) < MIN_INTERVAL_SECONDS:
                return
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetch_ended)
        # A caller that leaves must not cancel the others' fetch.
        await asyncio.shield(self._fetching)

    def _fetch_ended(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is not None:
            log.error("jwks fetch failed", error=type(task.exception()).__name__)

    async def _read(self) -> bytes:
        async with self._client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise ValueError("the document is too large")
        return bytes(body)

    async def _fetch(self) -> None:
        try:
            entries = _entries(await self._read())
            keys = tuple(_usable(entries, self._allowed))
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            log.warning("jwks fetch failed", error=type(error).__name__, detail=str(error)[:200])
            return
        except Exception:  # the last keys stay valid; the next token tries again
            log.exception("jwks fetch failed")
            return
        self._keys = keys
        self._fetched = self._clock()
        if not self._keys:
            log.warning("jwks has no usable key", accepted=sorted(self._allowed))


def _entries(document: bytes) -> list[Any]:
    parsed = json.loads(document)
    keys = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(keys, list):
        raise ValueError("the document has no list of keys")  # noqa: TRY004 - one type for all errors
    return keys[:MAX_KEYS]


def _usable(entries: Iterable[Any], allowed: frozenset[str]) -> Iterable[VerificationKey]:
    """The public signature keys usable by an accepted algorithm; other entries are ignored."""
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry).key
        except (jwt.exceptions.PyJWTError, ValueError, TypeError, AttributeError, LookupError):
            continue  # PyJWT accepts some malformed numbers that fail later
        algorithms = fitting_algorithms(key) & allowed
        if "alg" in entry:
            algorithms = frozenset(name for name in algorithms if name == entry["alg"])
        kid = entry.get("kid")
        if algorithms and (kid is None or isinstance(kid, str)):
            yield VerificationKey(key, algorithms, kid)
