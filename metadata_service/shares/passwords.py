"""Passwords of shares: Argon2id (RFC 9106), off the event loop.

Parameters are OWASP's for servers (19 MiB, two passes, one lane): some 30 ms of one core. At most two are
computed at a time and few may wait, so whoever sends passwords by the thousand burns two cores at the most,
and gets OVERLOADED.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from strongroom.errors import Overloaded

AT_ONCE: Final = 2
WAITING: Final = 32
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

T = TypeVar("T")


class Passwords:
    """Hashes and compares; one instance per process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._inside = 0

    async def hashed(self, password: str) -> str:
        """As it is kept: the PHC form, salt and parameters included. Raises Overloaded."""
        return await self._in_turn(partial(_HASHER.hash, _bytes(password)))

    async def matches(self, kept: str, password: str) -> bool:
        """Whether it is this one; a wrong one takes as long as the right one. Raises Overloaded."""
        return await self._in_turn(partial(_matches, kept, _bytes(password)))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._inside >= AT_ONCE + WAITING:
            raise Overloaded("Too many passwords are being checked; try again in a moment.", retry_after=1.0)
        self._inside += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._inside -= 1


def _matches(kept: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    """One spelling for what looks the same, whatever the keyboard (RFC 8265 section 4.2)."""
    return unicodedata.normalize("NFC", password).encode()
