"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol, TypeVar


class Page(Protocol):
    """One page of a list. ``next_page_token`` is empty on the last."""

    @property
    def next_page_token(self) -> str:
        """Continues the list."""


SomePage = TypeVar("SomePage", bound=Page)


async def all_pages(ask: Callable[[str], Awaitable[SomePage]]) -> AsyncGenerator[SomePage]:
    """Yield all pages; ``ask`` returns the one of a token, the first of an empty token."""
    token, more = "", True
    while more:
        page = await ask(token)
        yield page
        token = page.next_page_token
        more = bool(token)
