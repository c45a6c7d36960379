"""Rows of `shares`: columns, and conversion to protobuf."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from metadata_service.db.database import Row
from metadata_service.db.timestamps import to_proto
from strongroom.errors import ShareEnded, ShareNotFound
from strongroom.metadata.v1 import share_pb2 as pb

#: The state of a share by the database's clock; reasons in the order in which guests are told.
STATE: Final = f"""
CASE WHEN shares.revoked_at IS NOT NULL THEN {pb.SHARE_STATE_REVOKED}
    WHEN shares.expires_at <= now() THEN {pb.SHARE_STATE_EXPIRED}
    WHEN shares.max_uses > 0 AND shares.uses >= shares.max_uses THEN {pb.SHARE_STATE_USED_UP}
    ELSE {pb.SHARE_STATE_ACTIVE} END
"""
#: The columns for `to_share`, in its order.
COLUMNS: Final = f"""
shares.id::text, shares.owner_id, shares.scope, shares.title, shares.password_hash IS NOT NULL,
shares.expires_at, shares.max_uses, shares.uses, shares.last_used_at, shares.created_at, shares.updated_at,
shares.revoked_at, shares.dropped_files, shares.dropped_bytes, {STATE}
"""
#: Open for guests who are in: neither revoked nor expired.
HOLDS: Final = "shares.revoked_at IS NULL AND (shares.expires_at IS NULL OR shares.expires_at > now())"

_CAUSES: Final = {
    pb.SHARE_STATE_REVOKED: ("revoked", "Whoever shared this has taken it back."),
    pb.SHARE_STATE_EXPIRED: ("expired", "This share was for a while only, and that is over."),
    pb.SHARE_STATE_USED_UP: ("used_up", "This share was opened as often as it may be."),
}


def to_share(row: Row) -> pb.Share:
    """Convert a row of COLUMNS."""
    (
        share_id, owner_id, scope, title, has_password, expires, max_uses, uses, last_used, created, updated,
        revoked, dropped_files, dropped_bytes, state,
    ) = row  # fmt: skip
    share = pb.Share(
        id=share_id,
        owner_id=owner_id,
        scope=pb.ShareScope.FromString(scope),
        title=title,
        has_password=has_password,
        max_uses=max_uses,
        uses=uses,
        create_time=to_proto(created),
        update_time=to_proto(updated),
        dropped_files=dropped_files,
        dropped_bytes=dropped_bytes,
        state=state,
    )
    moments: dict[str, datetime | None] = {
        "expire_time": expires,
        "last_use_time": last_used,
        "revoke_time": revoked,
    }
    for name, moment in moments.items():
        if moment is not None:
            getattr(share, name).CopyFrom(to_proto(moment))
    return share


def opens(share: pb.Share) -> bool:
    """Whether guests who are in may go on; a share that is used up stays open for them."""
    return share.state in {pb.SHARE_STATE_ACTIVE, pb.SHARE_STATE_USED_UP}


def not_found() -> ShareNotFound:
    """The error for owners about a share that does not exist."""
    return ShareNotFound("There is no such share; ListShares shows those that there are.")


def unknown_token() -> ShareNotFound:
    """The error for guests about a token that opens no share."""
    return ShareNotFound(
        "This link opens nothing. Check that all of it was copied, or ask whoever sent it for a new one."
    )


def ended(state: pb.ShareState.ValueType) -> ShareEnded:
    """The error for guests about a share in this state, which is not ACTIVE."""
    cause, text = _CAUSES[state]
    return ShareEnded(f"{text} Ask for a new link.", metadata={"cause": cause})
