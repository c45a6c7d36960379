"""``client.files``: files at paths of the caller's choice, with the method names of common S3 wrappers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, overload

from strongroom.client.arguments import text
from strongroom.client.files import FileName, StoredFile, Visibility
from strongroom.client.path_downloads import Downloaded
from strongroom.client.retention import RetentionWish
from strongroom.client.sources import UploadSource
from strongroom.client.targets import AtPath
from strongroom.client.transfers import FileTransfers
from strongroom.client.uploads import Progress
from strongroom.path_rules import as_stored
from strongroom.subjects import key_segment

#: The most files on one page of a list.
MAX_KEYS: Final = 1000


class PathFiles:
    """Files at paths: ``reports/2026.pdf`` is stored as ``paths/{user}/reports/2026.pdf``.

    ``key`` is that path, the full key (beginning with ``paths/{user}/``), a ``StoredFile``, or an id as a
    ``UUID``. Storing at a path replaces an existing file atomically.
    """

    def __init__(self, client: FileTransfers) -> None:
        self._client = client
        self._prefix = ""

    async def upload_file(
        self,
        source: UploadSource,
        key: str,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        *,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        if_generation_match: int | None = None,
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Store a path, a file object or anything else that ``AsyncClient.upload`` accepts at ``key``.

        :param content_type: default: detected by the service.
        :param if_generation_match: replace only this generation; 0: only if nothing is there.
        :raises PathInvalid: names the rule that ``key`` breaks. Others as of ``upload``.
        """
        path = (await self._key(key)).removeprefix(await self._own_prefix())
        return await self._client.upload(
            source,
            AtPath(path),
            filename=path.rsplit("/", 1)[-1],
            content_type=content_type,
            metadata=metadata,
            visibility=visibility,
            retention=retention,
            storage_class=storage_class,
            if_generation_match=if_generation_match,
            request_id=request_id,
            on_progress=on_progress,
            timeout=timeout,
        )

    @overload
    async def download_file(
        self, key: FileName, local_path: None = None, *, on_progress: Progress | None = None
    ) -> bytes: ...

    @overload
    async def download_file(
        self, key: FileName, local_path: str | os.PathLike[str], *, on_progress: Progress | None = None
    ) -> Downloaded: ...

    async def download_file(
        self,
        key: FileName,
        local_path: str | os.PathLike[str] | None = None,
        *,
        on_progress: Progress | None = None,
    ) -> bytes | Downloaded:
        """The bytes; with ``local_path`` they are written there instead, like ``AsyncClient.download``.

        :raises FileNotFound: there is no file.
        """
        name = await self._name(key)
        if local_path is None:
            return await self._client.read(name, on_progress=on_progress)
        return await self._client.download(name, local_path, on_progress=on_progress)

    async def get_file_info(self, key: FileName) -> StoredFile:
        """The file's metadata.

        :raises FileNotFound: there is no file.
        """
        return await self._client.get(await self._name(key))

    async def list_files(self, prefix: str = "", max_keys: int = MAX_KEYS) -> list[StoredFile]:
        """Files whose path begins with ``prefix``, in key order, at most ``max_keys``.

        For longer lists use ``AsyncClient.list("paths/…")``.

        :raises ValueError: for a negative ``max_keys``.
        """
        if max_keys < 0:
            raise ValueError(f"max_keys is a number of files, not {max_keys}")
        found: list[StoredFile] = []
        token, more = "", max_keys > 0
        whole = await self._key(prefix) if prefix else await self._own_prefix()
        while more:
            size = min(max_keys - len(found), MAX_KEYS)
            page = await self._client.list_page(whole, page_size=size, page_token=token)
            found += page.files
            token = page.next_page_token
            more = bool(token) and len(found) < max_keys
        return found

    async def get_file_url(self, key: FileName, expires_in: timedelta | int = 3600) -> str:
        """A URL that reads the file without a token; of a public file behind a CDN a permanent one.

        :param expires_in: 1 s to 7 days, in seconds or as a timedelta.
        :raises FileNotFound: there is no file.
        """
        return (await self._client.sign_url(await self._name(key), expires_in=expires_in)).url

    async def file_exists(self, key: FileName) -> bool:
        """Whether there is a file."""
        return await self._client.exists(await self._name(key))

    async def delete_file(
        self, key: FileName, *, soft: bool = False, if_generation_match: int | None = None
    ) -> StoredFile:
        """Delete the file and return it as it was; parameters as of ``AsyncClient.delete``.

        :raises FileNotFound: there is no file.
        """
        return await self._client.delete(
            await self._name(key), soft=soft, if_generation_match=if_generation_match
        )

    async def key(self, path: str) -> str:
        """Return the full key of a path. A full key is returned unchanged."""
        return await self._key(path)

    async def path(self, key: str) -> str:
        """Return the path of a full key of the caller's. Other text is returned unchanged."""
        return (await self._key(key)).removeprefix(await self._own_prefix())

    async def _name(self, key: FileName) -> FileName:
        return await self._key(key) if isinstance(key, str) else key

    async def _key(self, key: str) -> str:
        """Return the full key of a path."""
        path = as_stored(text("key", key))
        prefix = await self._own_prefix()
        return path if path.startswith(prefix) else prefix + path

    async def _own_prefix(self) -> str:
        """Return ``paths/{user}/``. The service names the owner: one call, made once."""
        if not self._prefix:
            owner = await self._client._spooling_owner() or (await self._client.usage()).owner_id  # noqa: SLF001 - of one package
            self._prefix = f"paths/{key_segment(owner)}/"
        return self._prefix
