"""The session of a guest who has opened a share: a sealed token without a row.

It contains the share, the epoch of the share's password, and its own end. The share's row is still read in
each call, so a revocation ends all sessions at once.
"""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from servicekit.sealing import Capabilities
from strongroom.errors import TokenInvalid

SESSION_SECONDS: Final = 12 * 3600
_LABEL: Final = "strongroom share sessions 1"
_FORM: Final = struct.Struct(">16sQQ8s")


@dataclass(frozen=True, slots=True)
class Session:
    """A session of one share. ``expires``: seconds since 1970."""

    share_id: str
    epoch: int
    expires: int


class ShareSessions:
    """Creates and checks sessions."""

    def __init__(self, *secrets_: str) -> None:
        self._capabilities = Capabilities(secrets_, _LABEL)

    def sign(self, session: Session) -> str:
        """Seal a session; every token is different."""
        return self._capabilities.seal(
            _FORM.pack(UUID(session.share_id).bytes, session.epoch, session.expires, secrets.token_bytes(8))
        )

    def opens(self, token: str, share_id: str, epoch: int) -> bool:
        """Whether ``token`` is a valid session of this share."""
        if not token:
            return False
        try:
            content = self._capabilities.open(token)
            share, known, expires, _ = _FORM.unpack(content)
        except (TokenInvalid, struct.error):
            return False
        return str(UUID(bytes=share)) == share_id and known == epoch and expires > time.time()
