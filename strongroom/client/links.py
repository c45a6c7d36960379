"""Links: URLs of the gateway that read one file; part of ``AsyncClient``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from strongroom import errors
from strongroom.client.connection import Connection
from strongroom.client.files import FileName, id_or_key, moment_of, name_file, whole_seconds
from strongroom.client.spooling.files import SpooledFiles
from strongroom.metadata.v1 import file_service_pb2
from strongroom.storage.v1 import link_pb2


@dataclass(frozen=True, slots=True)
class Link:
    """A URL with which anyone can read one file. ``expires_at`` None: valid until it is revoked."""

    url: str
    expires_at: datetime | None


class LinkCalls:
    """Makes and revokes links, for the caller or the user it acts for."""

    def __init__(self, connection: Connection, user_id: str = "", files: SpooledFiles | None = None) -> None:
        self._connection = connection
        self._user_id = user_id
        self._spooled = files

    async def link(
        self,
        file: FileName,
        *,
        expires_in: timedelta | int | None = None,
        scope: Literal["version", "newest"] = "version",
        attachment: bool = False,
        timeout: float | None = None,
    ) -> Link:
        """A URL of the gateway that reads ``file`` without a token; equal calls return equal URLs.

        :param expires_in: minimum validity, in seconds or as a timedelta; 0: until it is revoked; default: as
            for the file's family.
        :param scope: ``version`` stops working when the content is replaced, ``newest`` reads the current
            content.
        :param attachment: browsers save the file, whatever its type.
        :raises FileNotFound: also when it is somebody else's. :raises ValueError: there is no such scope.
        """
        if scope not in {"version", "newest"}:
            raise ValueError(f"scope is 'version' or 'newest', not {scope!r}")
        seconds = whole_seconds(expires_in)
        file_id, key = id_or_key(file)
        request = link_pb2.SignLinksRequest(
            file_ids=[file_id] if file_id else [],
            keys=[] if file_id else [key],
            expires_in_seconds=seconds,
            scope=link_pb2.LINK_SCOPE_NEWEST if scope == "newest" else link_pb2.LINK_SCOPE_VERSION,
            attachment=attachment,
            user_id=self._user_id,
        )
        response = await self._connection.unary(self._connection.storage.SignLinks, request, timeout=timeout)
        for found in response.links.values():
            base = self._connection.settings.gateway_url if found.url.startswith("/") else ""
            return Link(base + found.url, moment_of(found.expire_time))
        raise errors.FileNotFound("There is no such file.")

    async def revoke_links(self, file: FileName, *, timeout: float | None = None) -> None:
        """Revoke every link to ``file``, at once and everywhere; links made afterwards work.

        :raises FileNotFound: also when it is somebody else's.
        """
        request = file_service_pb2.RevokeLinksRequest(user_id=self._user_id)
        name_file(request, file)
        await self._connection.unary(self._connection.files.RevokeLinks, request, timeout=timeout)

    async def revoke_all_links(self, *, timeout: float | None = None) -> None:
        """The same for all files."""
        request = file_service_pb2.RevokeLinksRequest(all_files=True, user_id=self._user_id)
        await self._connection.unary(self._connection.files.RevokeLinks, request, timeout=timeout)
