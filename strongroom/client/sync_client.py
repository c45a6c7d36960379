"""The client for programs without an event loop: ``AsyncClient`` behind methods that wait."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from strongroom.client.async_client import AsyncClient
from strongroom.client.files import Family, StoredFile
from strongroom.client.loop_thread import LoopThread
from strongroom.client.retries import RetryPolicy
from strongroom.client.settings import ClientSettings, Tls
from strongroom.client.tokens import Token

P = ParamSpec("P")
R = TypeVar("R")


def _waiting(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Client, P], R]:
    """The method with the same parameters that waits for the result."""

    @functools.wraps(method)
    def wait(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        thread, twin = client._thread, client._client  # noqa: SLF001 - of the class below
        return thread.run(method(twin, *args, **kwargs))

    return wait


def _iterating(
    method: Callable[Concatenate[AsyncClient, P], AsyncGenerator[R, None]],
) -> Callable[Concatenate[Client, P], Iterator[R]]:
    """The method with the same parameters that iterates without a loop."""

    @functools.wraps(method)
    def iterate(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        thread, twin = client._thread, client._client  # noqa: SLF001 - of the class below
        items = method(twin, *args, **kwargs)
        try:
            while (item := thread.run(_next(items))) is not _END:
                yield item  # type: ignore[misc]
        finally:
            thread.close_generator(items)

    return iterate


_END = object()


async def _next(items: AsyncGenerator[R, None]) -> R | object:
    """The next item, or ``_END``: StopAsyncIteration can't leave a coroutine."""
    return await anext(items, _END)


class Client:
    """Files in Strongroom, without an event loop: the methods of ``AsyncClient``, each of which waits.

    Parameters as of ``AsyncClient``. Any number of threads may share it; the calls run in one background
    thread, which also calls ``on_progress``, and reads no source (files and iterators are read in threads of
    their own). Close it, or use it in ``with``. Not usable in a child after ``fork``: make one there.
    """

    def __init__(
        self,
        storage_address: str | None = None,
        metadata_address: str | None = None,
        *,
        token: Token | None = None,
        tls: Tls | bool | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> None:
        self._client = AsyncClient(
            storage_address, metadata_address, token=token, tls=tls, retry=retry, timeout=timeout
        )
        self._thread = LoopThread()

    @property
    def settings(self) -> ClientSettings:
        """What the arguments and the environment came to."""
        return self._client.settings

    def acting_for(self, user_id: str) -> Client:
        """The same connection, but every call is for ``user_id``; needs the admin role (``UserMismatch``)."""
        other = Client.__new__(Client)
        other._client = self._client.acting_for(user_id)  # noqa: SLF001 - its own class
        other._thread = self._thread  # noqa: SLF001
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels and end the thread; calls under way are cancelled. May be called again."""
        if not self._thread.stopped:
            self._thread.run(self._client.close())
            self._thread.stop()

    upload = _waiting(AsyncClient.upload)
    download = _waiting(AsyncClient.download)
    stream = _iterating(AsyncClient.stream)
    read = _waiting(AsyncClient.read)

    get = _waiting(AsyncClient.get)
    exists = _waiting(AsyncClient.exists)
    list_page = _waiting(AsyncClient.list_page)
    list_pages = _iterating(AsyncClient.list_pages)
    update = _waiting(AsyncClient.update)
    delete = _waiting(AsyncClient.delete)
    undelete = _waiting(AsyncClient.undelete)
    copy = _waiting(AsyncClient.copy)
    sign_url = _waiting(AsyncClient.sign_url)
    usage = _waiting(AsyncClient.usage)

    def list(
        self, prefix: str = "", *, family: Family | None = None, show_deleted: bool = False
    ) -> Iterator[StoredFile]:
        """All of the caller's files whose key begins with ``prefix``, in key order, fetched page by page."""
        for page in self.list_pages(prefix, family=family, show_deleted=show_deleted):
            yield from page.files
