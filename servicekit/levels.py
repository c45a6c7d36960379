"""How loud the line of an RPC is, by how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import grpc

from servicekit.logs import Level
from strongroom.errors import StrongroomError

#: What services ask of each other again and again, whether there is anything to do or not. Of interest at
#: debug only, as long as it works.
POLLING: Final = frozenset(
    {
        "BeginVerification",
        "CheckCredential",
        "ClaimKeys",
        "ClaimScrub",
        "ClaimShard",
        "ClaimWork",
        "FilterSettledKeys",
        "ListLiveSegments",
        "RenewLease",
        "RenewSave",
        "RenewShard",
    }
)
#: HTTP statuses of a caller who may not, or asks too much.
_REFUSED: Final = frozenset({401, 403, 429})
_CODE: Final = grpc.StatusCode
#: Of codes that did not come from an error of ours.
_STATUSES: Final[Mapping[grpc.StatusCode, int]] = {
    _CODE.OK: 200,
    _CODE.CANCELLED: 200,
    _CODE.INTERNAL: 500,
    _CODE.UNKNOWN: 500,
    _CODE.DATA_LOSS: 500,
    _CODE.UNAVAILABLE: 503,
    _CODE.DEADLINE_EXCEEDED: 504,
}


def level_of_status(status: int, *, quiet: bool) -> Level:
    """By HTTP status: 5xx is ours to mend; then callers who may not or ask too much; the rest is ordinary.
    ``quiet``: a probe, or one of ``POLLING``.
    """
    if status >= 500:
        return "error"
    if status in _REFUSED:
        return "warning"
    return "debug" if quiet and status < 400 else "info"


def level_of(code: grpc.StatusCode, error: StrongroomError | None, *, quiet: bool) -> Level:
    """Of an RPC that ended with ``code``, for ``error`` if it was one of ours."""
    status = error.http_status if error is not None else _STATUSES.get(code, 400)
    return level_of_status(status, quiet=quiet)
