"""How metadata_service is called: for the caller of the request in progress, or on our own behalf."""

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
    """Asks for one page of a list."""

    page_token: str


class Page(Protocol):
    """The answer: where the next one begins; empty on the last."""

    next_page_token: str


Asked = TypeVar("Asked", bound=PageRequest)
Answered = TypeVar("Answered", bound=Page)

STEP_SECONDS = 6.0
"""Limit of one step of a write; a transaction takes milliseconds."""


def replica_name() -> str:
    """This process, as operators know it."""
    return f"{socket.gethostname()}/{os.getpid()}"


class MetadataClient:
    """What the clients of metadata_service's services share.

    Every method of theirs raises StrongroomError; ``ServiceUnavailable``, ``DatabaseUnavailable`` and
    ``DeadlineExceeded`` leave the outcome of what writes unknown (rule R4).
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
        """As the caller, with its token and within its deadline."""
        return await call(method, request, timeout=timeout, internal=self._internal)

    async def _pages(
        self, method: aio.UnaryUnaryMultiCallable[Asked, Answered], request: Asked
    ) -> AsyncIterator[Answered]:
        """All pages of a list from ``request`` on, which is changed; asked as ``_ask`` does."""
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
        """One step of a write, which names its owner and outlives the caller's token and deadline: when the
        caller has given up, its attempt is still given up properly. For ``caller`` only where one is named.
        """
        with context.bind(context.for_caller(caller)):
            return await call(
                method, request, timeout=timeout, internal=self._internal, as_caller=caller is not None
            )
