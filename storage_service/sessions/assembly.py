"""What `bootstrap` adds for resumable and direct uploads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storage_service.budget import ByteBudget
from storage_service.content_types import ContentRules
from storage_service.limits import Limits
from storage_service.metadata_client import MetadataClient
from storage_service.objectstore import ObjectStore
from storage_service.sessions.content import Content
from storage_service.sessions.engine import Sessions
from storage_service.sessions.finishing import Finisher
from storage_service.sessions.registry import Registry
from storage_service.sessions.state import SessionState


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What the engine is made of."""

    store: ObjectStore
    state: SessionState
    metadata: MetadataClient
    budget: ByteBudget
    limits: Limits
    content: ContentRules
    lease_seconds: float
    wake_cleaner: Callable[[], None]


class SessionUseCases:
    """The use cases, and their end."""

    def __init__(self, parts: SessionParts) -> None:
        content = Content(parts.content)
        self._registry = Registry()
        finisher = Finisher(
            parts.store,
            parts.metadata,
            content,
            lease_seconds=parts.lease_seconds,
            wake_cleaner=parts.wake_cleaner,
        )
        self.sessions = Sessions(
            parts.store,
            parts.state,
            parts.metadata,
            finisher,
            self._registry,
            budget=parts.budget,
            limits=parts.limits,
            content=content,
        )

    async def aclose(self) -> None:
        """Let writers persist what they have received."""
        await self._registry.aclose()
