"""What one writer holds of the process's memory for body bytes."""

from __future__ import annotations

import asyncio

from storage_service.budget import ByteBudget
from storage_service.part_pipeline import PARTS_IN_MEMORY


class Slots:
    """A writer's reservations of the byte budget: at most PARTS_IN_MEMORY, one of them ``filling``."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._parts = asyncio.Semaphore(PARTS_IN_MEMORY)
        self.filling = 0

    async def acquire(self, size: int) -> None:
        """For the part that fills next."""
        await self._parts.acquire()
        try:
            await self._budget.acquire(size)
        except BaseException:
            self._parts.release()
            raise
        self.filling = size

    def hand_over(self) -> int:
        """The filled part goes on its way with its reservation."""
        slot, self.filling = self.filling, 0
        return slot

    def release(self, slot: int) -> None:
        """Give a reservation back."""
        if slot:
            self._budget.release(slot)
            self._parts.release()

    def release_filling(self) -> None:
        """Of the part that will not be filled."""
        self.release(self.hand_over())
