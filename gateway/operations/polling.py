"""Lists that are polled: entity tags made from the owner's revision, so that a 304 costs one look-up
(docs/decisions/0089-a-revision-per-owner.md).

A tag covers everything that a response depends on: the revision that came with it (``GetRevision``), the
owner, the URL and this release; with URLs in it also their base and the stamp of how storage_service makes
them. If a response is incomplete, or the services report no revision, its tag is a hash of its text, and it
is made anew each time.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, Literal, TypeVar

from gateway.http.conditional import matches
from gateway.http.reply import JsonReply, encoded, not_modified, polled_bytes
from gateway.operations.addresses import base_url
from gateway.upstream.call import Call
from gateway.upstream.rpcs import GET_REVISION, GET_URL_STAMPS
from strongroom.metadata.v1.usage_service_pb2 import GetRevisionRequest
from strongroom.storage.v1.link_pb2 import GetUrlStampsRequest
from strongroom.version import VERSION

Shape = TypeVar("Shape")
#: The kind of URLs in a response.
UrlKind = Literal["links", "previews"]

#: Tags made here: r without URLs in the response, u with them.
_KINDS: Final = re.compile(r'"(?P<kind>[ru])-[0-9a-f]{24}"')


class Poll:
    """One request for a list."""

    __slots__ = ("_asked", "_call", "_kinds", "_urls")

    def __init__(self, call: Call, urls: UrlKind | None = None) -> None:
        """``urls``: the kind of URLs that the response may contain."""
        self._call = call
        self._urls = urls
        self._asked = call.header("if-none-match")
        self._kinds = {found["kind"] for found in _KINDS.finditer(self._asked or "")}

    async def unchanged(self) -> JsonReply[Any] | None:
        """A 304 if ``If-None-Match`` names the tag of the present response; None: make the response. For
        valid requests only.

        :raises StrongroomError: as ``Call.ask``.
        """
        if self._asked is None or not self._kinds:
            return None
        request = GetRevisionRequest(user_id=self._call.user_id())
        revision = (await self._call.ask(GET_REVISION, request)).revision
        reply = self._same(revision, "") if "r" in self._kinds else None
        if reply is None and self._urls is not None and "u" in self._kinds:
            stamps = await self._call.ask(GET_URL_STAMPS, GetUrlStampsRequest())
            reply = self._same(revision, stamps.links if self._urls == "links" else stamps.previews)
        return reply

    def reply(self, value: Shape, revision: str, stamp: str | None = "") -> JsonReply[Shape]:
        """As ``text_reply``."""
        return self.text_reply(encoded(value), revision, stamp)

    def text_reply(self, body: bytes, revision: str, stamp: str | None = "") -> JsonReply[Any]:
        """The list as JSON text, or 304.

        ``revision``: as it was before the list was read. ``stamp``: as it was before its URLs were made;
        empty: it has none; None: some were not available.
        """
        tag = self._tag(revision, stamp) if revision and stamp is not None else None
        return polled_bytes(body, self._asked, tag)

    def _same(self, revision: str, stamp: str) -> JsonReply[Any] | None:
        tag = self._tag(revision, stamp)
        return not_modified(tag) if matches(self._asked or "", tag, weak=True) else None

    def _tag(self, revision: str, stamp: str) -> str:
        call = self._call
        facts = [
            VERSION,
            call.user_id() or call.principal.subject,
            call.scope["path"],
            call.scope["query_string"].decode("latin-1"),
            revision,
        ]
        if stamp:
            facts += [base_url(call), stamp]
        digest = hashlib.blake2b("\n".join(facts).encode(), digest_size=12).hexdigest()
        return f"{'u' if stamp else 'r'}-{digest}"
