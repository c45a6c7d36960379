"""What one writer holds of the process's memory for body bytes."""

from __future__ import annotations

import asyncio

from storage_service.attempts.budget import ByteBudget, Claim
from storage_service.attempts.interruption import Interruptible

PARTS_IN_MEMORY = 2


class PartClaims:
    """A writer's claims on the byte budget: at most PARTS_IN_MEMORY, one of them ``filling``."""

    def __init__(self, budget: ByteBudget, owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self._permits = asyncio.Semaphore(PARTS_IN_MEMORY)
        self._held: list[Claim] = []
        self.reading = Interruptible()
        self.filling: Claim | None = None

    async def begin(self, most: int) -> Claim:
        """The claim of the part that fills next, which takes up to ``most`` bytes."""
        await self._permits.acquire()
        try:
            claim = self._budget.claim(most, self._owner, self.reading)
        except BaseException:
            self._permits.release()
            raise
        self._held.append(claim)
        self.filling = claim
        return claim

    def hand_over(self) -> Claim | None:
        """The filled part goes on its way with its claim."""
        claim, self.filling = self.filling, None
        return claim

    def release(self, claim: Claim | None) -> None:
        """Give a claim back, once."""
        if claim is not None and claim in self._held:
            self._held.remove(claim)
            claim.release()
            self._permits.release()

    def release_filling(self) -> None:
        """Of the part that will not be filled."""
        self.release(self.hand_over())

    def release_all(self) -> None:
        """Also of parts whose tasks were cancelled before they began."""
        self.filling = None
        for claim in list(self._held):
            self.release(claim)
