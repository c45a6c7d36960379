"""Decides the content type of a session when its first bytes have arrived, before the object is begun."""

from __future__ import annotations

from collections.abc import Sequence

from storage_service.content.types import SNIFF_BYTES, ContentRules
from storage_service.objectstore.values import Chunk
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_PARTIAL, Session


class Content:
    """The families' content rules, for uploads whose bytes come later."""

    def __init__(self, rules: ContentRules) -> None:
        self._rules = rules

    def declared(self, spec: UploadSpec) -> str:
        """Return the type as far as it is known before the bytes. Raises ContentTypeNotAllowed for a declared
        one.
        """
        return self._rules.declared(spec)

    def decide(self, session: Session, chunks: Sequence[Chunk]) -> str:
        """Return the type to store. ``chunks``: all bytes, or at least as many as ``head_bytes`` says.

        Partial uploads have no type of their own. Raises ContentTypeMismatch, ContentTypeNotAllowed,
        PictureRefused.
        """
        if session.kind == SESSION_KIND_PARTIAL:
            return session.blob.content_type
        return self._rules.describe(session.blob.spec, self._rules.head(session.blob.spec, chunks))

    def head_bytes(self, session: Session, head: bytes) -> int:
        """Return how many first bytes the decision needs, given the ``head`` read so far."""
        return (
            SNIFF_BYTES
            if session.kind == SESSION_KIND_PARTIAL
            else self._rules.enough(session.blob.spec, head)
        )
