"""What one writer holds of the process's memory for body bytes."""

from __future__ import annotations

import asyncio

from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.claims import Claim, Interruptible
from storage_service.uploads.pipeline import PARTS_IN_MEMORY


class Slots:
    """A writer's claims on the byte budget: at most PARTS_IN_MEMORY, one of them ``filling``."""

    def __init__(self, budget: ByteBudget, owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self._parts = asyncio.Semaphore(PARTS_IN_MEMORY)
        self.reading = Interruptible()
        self.filling: Claim | None = None

    async def begin(self, most: int) -> Claim:
        """The claim of the part that fills next, which takes up to ``most`` bytes."""
        await self._parts.acquire()
        try:
            self.filling = self._budget.claim(most, self._owner, self.reading)
        except BaseException:
            self._parts.release()
            raise
        return self.filling

    def hand_over(self) -> Claim | None:
        """The filled part goes on its way with its claim."""
        claim, self.filling = self.filling, None
        return claim

    def release(self, claim: Claim | None) -> None:
        """Give a claim back."""
        if claim is not None:
            claim.release()
            self._parts.release()

    def release_filling(self) -> None:
        """Of the part that will not be filled."""
        self.release(self.hand_over())
