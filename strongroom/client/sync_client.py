"""The client for programs without an event loop: ``AsyncClient`` behind blocking methods."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import Self

from strongroom.client.async_client import AsyncClient
from strongroom.client.blocking import Face, iterating, waiting
from strongroom.client.files import Family, StoredFile
from strongroom.client.loop_thread import LoopThread
from strongroom.client.retries import RetryPolicy
from strongroom.client.settings import ClientSettings, Tls
from strongroom.client.sync_families import (
    SyncAdministration,
    SyncEventMedia,
    SyncGenerations,
    SyncPathFiles,
    SyncProjects,
    SyncRestores,
    SyncRetention,
    SyncShares,
    SyncSpool,
    SyncVerifications,
    SyncWebhooks,
)
from strongroom.client.tokens import Token


class Client(Face[AsyncClient]):
    """Files in Strongroom, without an event loop: the methods of ``AsyncClient``, blocking.

    Parameters as of ``AsyncClient``. Any number of threads may share it; the calls run in one background
    thread, which also calls ``on_progress``, and reads no source (files and iterators are read in threads of
    their own). Close it, or use it in ``with``. Fork before the first client is made: gRPC does not work in a
    child of a process that has used it, and this object raises RuntimeError there.
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
        client = AsyncClient(
            storage_address,
            metadata_address,
            token=token,
            tls=tls,
            retry=retry,
            timeout=timeout,
            spool=spool,
            spool_max_bytes=spool_max_bytes,
        )
        super().__init__(client, LoopThread())

    @property
    def settings(self) -> ClientSettings:
        """The resolved settings, from arguments and environment."""
        return self._twin.settings

    def acting_for(self, user_id: str) -> Client:
        """The same connection, but every call acts for ``user_id``; needs the admin role (else
        ``UserMismatch``).
        """
        other = Client.__new__(Client)
        Face.__init__(other, self._twin.acting_for(user_id), self._thread)
        return other

    def __enter__(self) -> Self:
        self._thread.run(self._twin.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels and the thread; calls in progress are cancelled. Can be called repeatedly."""
        if not self._thread.stopped:
            self._thread.run(self._twin.close())
            self._thread.stop()

    @cached_property
    def spool(self) -> SyncSpool | None:
        """The caller's spool; None: the client has none."""
        return None if self._twin.spool is None else SyncSpool(self._twin.spool, self._thread)

    @cached_property
    def files(self) -> SyncPathFiles:
        """Files at paths of the caller's choice."""
        return SyncPathFiles(self._twin.files, self._thread)

    @cached_property
    def generations(self) -> SyncGenerations:
        """Generated images and videos."""
        return SyncGenerations(self._twin.generations, self._thread)

    @cached_property
    def event_media(self) -> SyncEventMedia:
        """Media of events; profile pictures; temporary files."""
        return SyncEventMedia(self._twin.event_media, self._thread)

    @cached_property
    def projects(self) -> SyncProjects:
        """Trees of files, saved as a whole."""
        return SyncProjects(self._twin.projects, self._thread)

    @cached_property
    def retention(self) -> SyncRetention:
        """How long files and projects stay, and legal holds."""
        return SyncRetention(self._twin.retention, self._thread)

    @cached_property
    def shares(self) -> SyncShares:
        """Links that people without an account open."""
        return SyncShares(self._twin.shares, self._thread)

    @cached_property
    def webhooks(self) -> SyncWebhooks:
        """Events sent to a URL."""
        return SyncWebhooks(self._twin.webhooks, self._thread)

    @cached_property
    def verifications(self) -> SyncVerifications:
        """Checks that rows and objects match; for admins."""
        return SyncVerifications(self._twin.verifications, self._thread)

    @cached_property
    def admin(self) -> SyncAdministration:
        """Operations for operators; for admins."""
        return SyncAdministration(self._twin.admin, self._thread)

    @cached_property
    def restores(self) -> SyncRestores:
        """Objects in the bucket that a restored database does not know; for admins."""
        return SyncRestores(self._twin.restores, self._thread)

    watch = iterating(AsyncClient.watch)

    upload = waiting(AsyncClient.upload)
    upload_resumable = waiting(AsyncClient.upload_resumable)
    cancel_upload = waiting(AsyncClient.cancel_upload)
    download = waiting(AsyncClient.download)
    export = waiting(AsyncClient.export)
    stream = iterating(AsyncClient.stream)
    read = waiting(AsyncClient.read)

    get = waiting(AsyncClient.get)
    get_many = waiting(AsyncClient.get_many)
    exists = waiting(AsyncClient.exists)
    list_page = waiting(AsyncClient.list_page)
    list_pages = iterating(AsyncClient.list_pages)
    update = waiting(AsyncClient.update)
    delete = waiting(AsyncClient.delete)
    undelete = waiting(AsyncClient.undelete)
    trash_page = waiting(AsyncClient.trash_page)
    trash = iterating(AsyncClient.trash)
    purge = waiting(AsyncClient.purge)
    search_page = waiting(AsyncClient.search_page)
    search = iterating(AsyncClient.search)
    folder_page = waiting(AsyncClient.folder_page)
    delete_folder = waiting(AsyncClient.delete_folder)
    empty_trash = waiting(AsyncClient.empty_trash)
    copy = waiting(AsyncClient.copy)
    move = waiting(AsyncClient.move)
    delete_many = waiting(AsyncClient.delete_many)
    sign_url = waiting(AsyncClient.sign_url)
    link = waiting(AsyncClient.link)
    revoke_links = waiting(AsyncClient.revoke_links)
    revoke_all_links = waiting(AsyncClient.revoke_all_links)
    usage = waiting(AsyncClient.usage)
    costs = waiting(AsyncClient.costs)
    upload_limits = waiting(AsyncClient.upload_limits)

    def list(
        self, prefix: str = "", *, family: Family | None = None, show_deleted: bool = False
    ) -> Iterator[StoredFile]:
        """All of the caller's files whose key begins with ``prefix``, in key order, fetched page by page."""
        for page in self.list_pages(prefix, family=family, show_deleted=show_deleted):
            yield from page.files
