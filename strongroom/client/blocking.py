"""Blocking counterparts of asynchronous classes: the same methods, run in the background loop of a
``Client``.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from strongroom.client.loop_thread import LoopThread

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_END = object()


class Face(Generic[T_co]):
    """The blocking counterpart of ``T_co``."""

    def __init__(self, twin: T_co, thread: LoopThread) -> None:
        self._twin = twin
        self._thread = thread


def waiting(
    method: Callable[Concatenate[T, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Face[T], P], R]:
    """Return the method with the same parameters, waiting for the result."""

    @functools.wraps(method)
    def wait(face: Face[T], /, *args: P.args, **kwargs: P.kwargs) -> R:
        thread, twin = face._thread, face._twin  # noqa: SLF001 - of the class above
        return thread.run(method(twin, *args, **kwargs))

    return wait


def iterating(
    method: Callable[Concatenate[T, P], AsyncGenerator[R, None]],
) -> Callable[Concatenate[Face[T], P], Iterator[R]]:
    """Return the method with the same parameters, iterating without an event loop."""

    @functools.wraps(method)
    def iterate(face: Face[T], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        thread, twin = face._thread, face._twin  # noqa: SLF001 - of the class above
        items = method(twin, *args, **kwargs)
        try:
            while (item := thread.run(_next(items))) is not _END:
                yield item  # type: ignore[misc]
        finally:
            thread.close_generator(items)

    return iterate


async def _next(items: AsyncGenerator[R, None]) -> R | object:
    """Return the next item, or ``_END``, because StopAsyncIteration can't be raised by a coroutine."""
    return await anext(items, _END)
