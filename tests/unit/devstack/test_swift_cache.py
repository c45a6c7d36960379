"""The cache of the embedded S3's proxy."""

from __future__ import annotations

from typing import Any

from devstack.swift_cache import MemoryCache, filter_factory


class Clock:
    """Seconds that a test moves by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_values_end_when_their_time_is_over() -> None:
    clock = Clock()
    cache = MemoryCache(clock)
    cache.set("short", {"a": [1, None]}, time=60, raise_on_error=True)
    cache.set("dated", "x", time=clock.now + 90)
    cache.set("kept", 1)
    assert (cache.get("short"), cache.get("dated"), cache.get("none")) == ({"a": [1, None]}, "x", None)
    clock.now += 60
    assert (cache.get("short"), cache.get("dated")) == (None, "x")
    clock.now += 10**9
    assert (cache.get("dated"), cache.get("kept")) == (None, 1)


def test_what_is_changed_after_it_was_kept_is_not_what_is_kept() -> None:
    cache, value = MemoryCache(), {"status": 204}
    cache.set("container", value)
    value["status"] = 404
    cache.get("container")["status"] = 500
    assert cache.get("container") == {"status": 204}
    cache.delete("container", server_key="any")
    assert cache.get("container") is None


def test_counters_never_fall_below_zero() -> None:
    cache = MemoryCache()
    assert [cache.incr("n", 2), cache.incr("n"), cache.decr("n", 5), cache.get("n")] == [2, 3, 0, 0]


def test_several_at_once() -> None:
    cache = MemoryCache()
    cache.set_multi({"a": 1, "b": 2}, "server", time=60)
    assert cache.get_multi(["b", "none", "a"], "server") == [2, None, 1]


def test_the_filter_gives_every_request_the_same_cache() -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], _: Any) -> list[bytes]:
        seen.append(environ["swift.cache"])
        return []

    wrapped = filter_factory({})(app)
    for _ in range(2):
        wrapped({}, None)
    assert isinstance(seen[0], MemoryCache)
    assert seen[0] is seen[1]
