"""An in-memory cache of accounts and containers for Swift's proxy.

Without a cache the proxy asks the account and container servers in each request, several times if buckets
keep versions. Swift's own filter needs a memcached server; one proxy alone does not. The proxy deletes an
entry when it changes the container, as with memcached.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

_MOST: Final = 10_000
_FOREVER: Final = float("inf")
_MONTH: Final = 30 * 24 * 3600

App = Callable[[dict[str, Any], Any], Any]


class MemoryCache:
    """The part of swift.common.memcached.MemcacheRing that Swift uses. Values pass through JSON, as there."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, key: str, **_: object) -> Any:
        """The value, or None."""
        until, text = self._kept.get(key, (0.0, ""))
        if until > self._clock():
            return json.loads(text)
        self._kept.pop(key, None)
        return None

    def set(self, key: str, value: object, time: float = 0, **_: object) -> None:
        """Keep a value for ``time`` seconds; 0 means for ever, more than a month is a date, as in
        memcached.
        """
        if len(self._kept) >= _MOST:
            self._kept.clear()
        until = _FOREVER if not time else time if time > _MONTH else self._clock() + time
        self._kept[key] = (until, json.dumps(value))

    def delete(self, key: str, **_: object) -> None:
        """Delete a value."""
        self._kept.pop(key, None)

    def incr(self, key: str, delta: int = 1, time: float = 0, **_: object) -> int:
        """Add to a counter that starts at 0 and is never negative."""
        value = max(int(self.get(key) or 0) + int(delta), 0)
        self.set(key, value, time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0, **_: object) -> int:
        """Subtract from a counter."""
        return self.incr(key, -int(delta), time)

    def set_multi(self, mapping: Mapping[str, object], server_key: str, time: float = 0, **_: object) -> None:
        """Keep several values. ``server_key``, which chooses a memcached server, is ignored."""
        del server_key
        for key, value in mapping.items():
            self.set(key, value, time)

    def get_multi(self, keys: Iterable[str], server_key: str, **_: object) -> list[Any]:
        """The values in order, None for missing ones."""
        del server_key
        return [self.get(key) for key in keys]


def filter_factory(_: Mapping[str, str], **__: str) -> Callable[[App], App]:
    """The filter's factory for paste.deploy: one cache per process."""
    cache = MemoryCache()

    def wrap(app: App) -> App:
        def with_cache(environ: dict[str, Any], start_response: Any) -> Any:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return with_cache

    return wrap
