"""Page tokens (AIP-158): the position after the last row of a page, signed and bound to its query.

The position is a key (keyset), so pages stay stable while rows are added and removed. A token contains 128
bits of HMAC-SHA256 over query and position; a token of another query, owner or deployment is refused like a
forged one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from metadata_service.db.database import Row
from strongroom.errors import InvalidPageToken

if TYPE_CHECKING:  # exists only in the stubs: the class at run time depends on protobuf's implementation
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

#: Most bytes of rows on a page, so that replies stay below gRPC's 4 MiB.
LARGEST_PAGE_BYTES: Final = 3 << 20
#: Most bytes that a row's tag and length take in a reply.
_FRAME_BYTES: Final = 8
_MAC_BYTES: Final = 16
_PURPOSE: Final = b"strongroom page token 1"

Shown = TypeVar("Shown", bound=Message)


def page_size(wanted: int, *, default: int, largest: int) -> int:
    """0 means the default; larger values are lowered to `largest` (AIP-158). The schema refuses negative
    ones.
    """
    return min(wanted or default, largest)


def fitting(rows: Iterable[Row], convert: Callable[[Row], Shown]) -> list[Shown]:
    """Convert as many of the rows as fit in one reply, at least one if there are any."""
    page: list[Shown] = []
    total = 0
    for row in rows:
        shown = convert(row)
        total += shown.ByteSize() + _FRAME_BYTES
        if page and total > LARGEST_PAGE_BYTES:
            break
        page.append(shown)
    return page


def fit_in(
    page: RepeatedCompositeFieldContainer[Shown], rows: Iterable[Row], fill: Callable[[Shown, Row], None]
) -> None:
    """As ``fitting``, but fills the messages inside the reply: adding finished ones would copy each."""
    total = 0
    for row in rows:
        shown = page.add()
        fill(shown, row)
        total += shown.ByteSize() + _FRAME_BYTES
        if total > LARGEST_PAGE_BYTES and len(page) > 1:
            del page[-1]
            return


#: A condition of pages that are ordered by (`moment`, `id`), newest first: rows after `before`, `before_id`,
#: or all if `before` is null. As `before IS NULL OR …` it would be no bound of the index in the plan for any
#: parameters, which Postgres keeps after five runs: it would read and drop all rows before the page. COALESCE
#: would not do either: row security takes it for a function that may leak rows.
BEFORE: Final = """({moment}, {id}) < (
    CASE WHEN %(before)s::timestamptz IS NULL THEN 'infinity' ELSE %(before)s::timestamptz END,
    %(before_id)s::uuid)"""


class PageTokens:
    """Makes and reads tokens; all replicas share `secret`. Those of `old` secrets are read, too."""

    def __init__(self, secret: bytes, *old: bytes) -> None:
        self._keys = [hmac.digest(one, _PURPOSE, "sha256") for one in (secret, *old)]

    def seal(self, query: Sequence[object], position: Sequence[str]) -> str:
        """A token for the page after `position`. `query`: everything that determines the rows."""
        payload = json.dumps(list(position), ensure_ascii=False, separators=(",", ":")).encode()
        return (
            base64.urlsafe_b64encode(_mac(self._keys[0], query, payload) + payload)
            .rstrip(b"=")
            .decode("ascii")
        )

    def seal_moment(self, query: Sequence[object], moment: datetime, row_id: UUID | str) -> str:
        """A token for pages ordered by a time, then by id."""
        return self.seal(query, [moment.isoformat(), str(row_id)])

    def open_moment(self, query: Sequence[object], token: str) -> tuple[datetime, UUID]:
        """The arguments of ``seal_moment``. Raises InvalidPageToken."""
        moment, row_id = self.open(query, token, parts=2)
        return datetime.fromisoformat(moment), UUID(row_id)

    def open(self, query: Sequence[object], token: str, *, parts: int) -> list[str]:
        """The position in a token made for this query, as a list of ``parts`` strings. Raises
        InvalidPageToken.
        """
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _invalid() from error
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, query, payload)) for key in self._keys):
            raise _invalid()
        position: list[str] = json.loads(payload)
        if len(position) != parts:
            raise _invalid()
        return position


def _mac(key: bytes, query: Sequence[object], payload: bytes) -> bytes:
    bound = json.dumps(list(query)).encode()
    framed = len(bound).to_bytes(4, "big") + bound + payload
    return hmac.digest(key, framed, hashlib.sha256)[:_MAC_BYTES]


def _invalid() -> InvalidPageToken:
    return InvalidPageToken(
        "This page token is not one of ours, or belongs to another query; start from the first page."
    )
