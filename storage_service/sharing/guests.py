"""Admits guests: checks that a guest may read a share's content, and lets the call act for its owner."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from servicekit.auth.principal import Principal
from servicekit.context import current
from storage_service.metadata.shares import GuestAccess
from storage_service.sharing.sessions import SESSION_SECONDS, Session, ShareSessions
from strongroom.errors import Internal, ShareEnded, ShareLocked
from strongroom.metadata.v1.share_pb2 import SHARE_STATE_USED_UP, Share
from strongroom.storage.v1 import guest_pb2 as pb

_KINDS: Final = {
    "file_id": pb.SHARED_KIND_FILE,
    "event_id": pb.SHARED_KIND_EVENT,
    "key_prefix": pb.SHARED_KIND_PREFIX,
    "project": pb.SHARED_KIND_PROJECT,
    "drop": pb.SHARED_KIND_DROP,
}


@dataclass(frozen=True, slots=True)
class Guests:
    """One instance per process."""

    access: GuestAccess
    sessions: ShareSessions

    async def open(self, request: pb.OpenShareRequest) -> pb.OpenShareResponse:
        """Begin a session, which counts as a use. Raises as ``GuestAccess.admit``."""
        admitted = await self.access.admit(request.token, request.password)
        share = admitted.share
        expires = int(time.time()) + SESSION_SECONDS
        if share.HasField("expire_time"):
            expires = min(expires, share.expire_time.seconds)
        session = Session(share.id, admitted.session_epoch, expires)
        answer = pb.OpenShareResponse(session=self.sessions.sign(session), share=shown(share, is_open=True))
        answer.session_expire_time.FromSeconds(expires)
        return answer

    async def look(self, token: str, session: str) -> tuple[Share, bool]:
        """The share, and whether its content may be read. Raises ShareNotFound, ShareEnded."""
        found = await self.access.share(token)
        share = found.share
        needs_session = share.has_password or share.max_uses > 0
        is_open = not needs_session or self.sessions.opens(session, share.id, found.session_epoch)
        if share.state == SHARE_STATE_USED_UP and not is_open:
            raise ShareEnded(
                "This share has been opened as often as allowed. Ask for a new link.",
                metadata={"cause": "used_up"},
            )
        return share, is_open

    async def enter(self, token: str, session: str) -> Share:
        """The share, if its content may be read. From here on the request acts for the share's owner.

        Raises ShareNotFound, ShareEnded, ShareLocked.
        """
        share, is_open = await self.look(token, session)
        if not is_open:
            needs = "password" if share.has_password else "opening"
            raise ShareLocked(
                "This share has to be opened first" + (", with its password." if share.has_password else "."),
                metadata={"needs": needs},
            )
        request = current()
        if request is None:
            raise Internal("no request is in progress")
        request.principal = Principal(share.owner_id, internal="storage_service", lent=True)
        return share


def shown(share: Share, *, is_open: bool) -> pb.GuestShare:
    """A share as a guest sees it. One with a password shows only its kind until it is open."""
    answer = pb.GuestShare(
        kind=_KINDS.get(share.scope.WhichOneof("scope") or "", pb.SHARED_KIND_UNSPECIFIED),
        has_password=share.has_password,
        is_open=is_open,
    )
    if not is_open and share.has_password:
        return answer
    answer.title = share.title
    if share.HasField("expire_time"):
        answer.expire_time.CopyFrom(share.expire_time)
    if share.scope.HasField("drop"):
        answer.max_file_bytes = share.scope.drop.max_file_bytes
        answer.content_types.extend(share.scope.drop.content_types)
    return answer
