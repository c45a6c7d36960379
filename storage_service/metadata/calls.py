"""How metadata_service is called: as the caller of the request in progress, or as this service itself."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from grpc import aio

from servicekit import context
from servicekit.auth.credentials import InternalCredential
from servicekit.auth.principal import Principal
from servicekit.serving.channels import call

Request = TypeVar("Request")
Response = TypeVar("Response")


class PageRequest(Protocol):
    """A request for one page of a list."""

    page_token: str


class Page(Protocol):
    """One page of a list. ``next_page_token`` is empty on the last."""

    next_page_token: str


Asked = TypeVar("Asked", bound=PageRequest)
Answered = TypeVar("Answered", bound=Page)

STEP_SECONDS = 6.0
"""Time limit of one step of a write. A transaction takes milliseconds."""


def replica_name() -> str:
    """Return the name of this process that operators see."""
    return f"{socket.gethostname()}/{os.getpid()}"


class MetadataClient:
    """Base class of the clients of metadata_service's services.

    Every method of a client may raise StrongroomError. ``ServiceUnavailable``, ``DatabaseUnavailable`` and
    ``DeadlineExceeded`` leave the outcome of a write unknown (rule R4).
    """

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        self._channel = channel
        self._internal = internal

    async def _ask(
        self,
        method: aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float | None = None,
    ) -> Response:
        """Call as the caller of the request in progress, with its token and within its deadline."""
        return await call(method, request, timeout=timeout, internal=self._internal)

    async def _pages(
        self, method: aio.UnaryUnaryMultiCallable[Asked, Answered], request: Asked
    ) -> AsyncIterator[Answered]:
        """Yield all pages of a list, beginning at ``request``, whose page token is changed. Calls like
        ``_ask``.
        """
        while True:
            page = await self._ask(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _step(
        self,
        method: aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float = STEP_SECONDS,
        caller: Principal | None = None,
    ) -> Response:
        """Call one step of a write, which names its owner and doesn't depend on the caller's token or
        deadline.

        So an attempt is given up even after its caller has left. The call is made for ``caller`` only if one
        is given.
        """
        with context.bind(context.for_caller(caller)):
            return await call(
                method, request, timeout=timeout, internal=self._internal, as_caller=caller is not None
            )
