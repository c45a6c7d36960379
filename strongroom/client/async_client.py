"""The client for programs that run an event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cached_property
from types import TracebackType
from typing import Self

from strongroom.client.administration import Administration
from strongroom.client.connection import Connection
from strongroom.client.event_media import EventMediaFiles
from strongroom.client.family_values import Notification
from strongroom.client.generations import Generations
from strongroom.client.path_files import PathFiles
from strongroom.client.projects import Projects
from strongroom.client.restores import Restores
from strongroom.client.retention import Retention
from strongroom.client.retries import RetryPolicy
from strongroom.client.settings import ClientSettings, Tls
from strongroom.client.shares import Shares
from strongroom.client.spooling.files import SpooledFiles
from strongroom.client.spooling.spool import Spool
from strongroom.client.spooling.trees import SpooledProjects
from strongroom.client.tokens import Token
from strongroom.client.transfers import FileTransfers
from strongroom.client.verifications import Verifications
from strongroom.client.watching import watch
from strongroom.client.webhooks import Webhooks


class AsyncClient(FileTransfers):
    """Files in Strongroom, directly over gRPC.

    ``storage_address``, ``metadata_address``: ``host:port`` or any gRPC target (``dns:///…``); missing ones
    come from the environment, a running development stack, or the default ports (``ClientSettings.resolve``).
    ``token``: a JWT, or a function (plain or async) that returns one; it is called again shortly before the
    token's ``exp`` and when the service refuses it. ``tls``: see ``Tls``; by default plaintext to loopback
    and TLS to anywhere else. ``timeout``: seconds for calls without file contents; uploads and downloads have
    none unless given. ``spool``: a folder for what can't be sent while the service or its S3 is down, of at
    most ``spool_max_bytes`` (1 GiB), see docs/offline.md; ``client.spool`` shows and sends what waits there.

    Belongs to the event loop of its first call; any number of that loop's tasks may share it. Close it, or
    use it in ``async with``. All methods raise subclasses of ``strongroom.errors.StrongroomError``, typed by
    the service's reason, never gRPC errors.
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
        spool: str | os.PathLike[str] | None = None,
        spool_max_bytes: int | None = None,
    ) -> None:
        settings = ClientSettings.resolve(
            storage_address,
            metadata_address,
            token=token,
            tls=tls,
            retry=retry,
            timeout=timeout,
            spool=spool,
            spool_max_bytes=spool_max_bytes,
        )
        self._open(Connection(settings))

    @classmethod
    def with_settings(cls, settings: ClientSettings) -> Self:
        """A client with complete settings: the environment is not read."""
        client = cls.__new__(cls)
        client._open(Connection(settings))  # noqa: SLF001 - of this class
        return client

    def _open(self, connection: Connection) -> None:
        folder, limit = connection.settings.spool, connection.settings.spool_max_bytes
        self._begin(connection, "", None if folder is None else Spool(folder, limit, connection))

    def _begin(self, connection: Connection, user_id: str, spool: Spool | None) -> None:
        FileTransfers.__init__(self, connection, user_id, SpooledFiles(spool, user_id) if spool else None)
        self.spool = spool

    @property
    def settings(self) -> ClientSettings:
        """The resolved settings, from arguments and environment."""
        return self._connection.settings

    def acting_for(self, user_id: str) -> AsyncClient:
        """The same connection, but every call acts for ``user_id``; needs the admin role (else
        ``UserMismatch``).

        :raises ValueError: ``user_id`` is empty.
        """
        if not user_id:
            raise ValueError("acting_for needs a user; an empty user_id would be the caller")
        other = AsyncClient.__new__(AsyncClient)
        other._begin(self._connection, user_id, self.spool)  # noqa: SLF001 - of this class
        return other

    async def __aenter__(self) -> Self:
        if self.spool is not None:
            await self.spool.disk()  # begins to send what is waiting in the spool
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels; calls in progress are cancelled. Can be called repeatedly."""
        if self.spool is not None:
            await self.spool.close()
        await self._connection.close()

    @cached_property
    def files(self) -> PathFiles:
        """Files at paths of the caller's choice."""
        return PathFiles(self)

    @cached_property
    def generations(self) -> Generations:
        """Generated images and videos."""
        return Generations(self, self._connection, self._user_id, self._spooled)

    @cached_property
    def event_media(self) -> EventMediaFiles:
        """Media of events; profile pictures; temporary files."""
        return EventMediaFiles(self, self._connection, self._user_id)

    @cached_property
    def projects(self) -> Projects:
        """Trees of files, saved as a whole."""
        spooled = SpooledProjects(self.spool, self._user_id) if self.spool is not None else None
        return Projects(self._connection, self._user_id, spooled)

    @cached_property
    def retention(self) -> Retention:
        """How long files and projects stay, and legal holds."""
        return Retention(self._connection, self._user_id)

    @cached_property
    def shares(self) -> Shares:
        """Links that people without an account open."""
        return Shares(self._connection, self._user_id)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Events sent to a URL."""
        return Webhooks(self._connection, self._user_id)

    @cached_property
    def verifications(self) -> Verifications:
        """Checks that rows and objects match; for admins."""
        return Verifications(self._connection)

    @cached_property
    def admin(self) -> Administration:
        """Operations for operators; for admins."""
        return Administration(self._connection)

    @cached_property
    def restores(self) -> Restores:
        """Objects in the bucket that a restored database does not know; for admins."""
        return Restores(self._connection)

    async def watch(self, resume_token: str = "") -> AsyncGenerator[Notification]:
        """Events of the caller's files as they happen, for as long as you iterate.

        :param resume_token: the id of the last event seen; empty: only events from now on. A broken
            connection is resumed after the last event, so nothing is missed within the retention.
        """
        async with aclosing(watch(self._connection, self._user_id, resume_token)) as events:
            async for event in events:
                yield event
