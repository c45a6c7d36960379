"""What a link's token says: one file, what of it, until when."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from storage_service.reading.capabilities import Capabilities
from strongroom.errors import TokenInvalid
from strongroom.metadata.v1.file_pb2 import LinkStamp

_LABEL: Final = "strongroom links 1"
_FORM: Final = struct.Struct(">B16s16sIIQ")
_NEWEST: Final = 1
_ATTACHMENT: Final = 2
_NO_CONTENT: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """``content_id`` empty: whatever the file's content is. ``expires``: seconds since 1970, 0: not by
    itself. ``attachment``: browsers save it.
    """

    owner_id: str
    file_id: str
    content_id: str
    file_epoch: int
    owner_epoch: int
    expires: int = 0
    attachment: bool = False

    @property
    def stamp(self) -> LinkStamp:
        """What the file's has to be."""
        return LinkStamp(content_id=self.content_id, file_epoch=self.file_epoch, owner_epoch=self.owner_epoch)


class LinkTokens:
    """Makes and reads them."""

    def __init__(self, *secrets: str) -> None:
        self._capabilities = Capabilities(secrets, _LABEL)

    def sign(self, claims: LinkClaims) -> str:
        """The token; always the same for the same claims."""
        flags = (0 if claims.content_id else _NEWEST) | (_ATTACHMENT if claims.attachment else 0)
        content = UUID(claims.content_id).bytes if claims.content_id else _NO_CONTENT
        numbers = (claims.file_epoch, claims.owner_epoch, claims.expires)
        head = _FORM.pack(flags, UUID(claims.file_id).bytes, content, *numbers)
        return self._capabilities.seal(head + claims.owner_id.encode())

    def read(self, token: str) -> LinkClaims:
        """Raises TokenInvalid."""
        content = self._capabilities.open(token)
        if len(content) <= _FORM.size:
            raise TokenInvalid("The token was refused: this installation has not made it.")
        flags, file_id, content_id, file_epoch, owner_epoch, expires = _FORM.unpack_from(content)
        return LinkClaims(
            owner_id=content[_FORM.size :].decode(),
            file_id=str(UUID(bytes=file_id)),
            content_id="" if flags & _NEWEST else str(UUID(bytes=content_id)),
            file_epoch=file_epoch,
            owner_epoch=owner_epoch,
            expires=expires,
            attachment=bool(flags & _ATTACHMENT),
        )
