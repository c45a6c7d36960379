"""Passwords of shares: Argon2id (RFC 9106), off the event loop.

Parameters are OWASP's for servers (19 MiB, two passes, one lane): some 30 ms of one core. One is computed at
a time and few may wait, so whoever sends passwords by the thousand burns one core at most, never all of
a small machine, and gets OVERLOADED. Owners who set passwords wait apart, one request of each, and only one
of them stands in line with the guests.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from servicekit.threads import run_in_thread
from strongroom.errors import Overloaded

AT_ONCE: Final = 1
WAITING: Final = 32
SETTING: Final = 32
"""So many owners may be setting a password."""
_RETRY_SECONDS: Final = 1.0
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

T = TypeVar("T")


class Passwords:
    """Hashes and compares; one instance per process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._setters = asyncio.Semaphore(1)
        self._setting: set[str] = set()
        self._comparing = 0

    async def hashed(self, owner_id: str, password: str) -> str:
        """As it is kept: the PHC form, salt and parameters included. Raises Overloaded, also where this
        owner is setting another one.
        """
        if owner_id in self._setting:
            raise Overloaded(
                "A password is being set already; try again in a moment.", retry_after=_RETRY_SECONDS
            )
        if len(self._setting) >= SETTING:
            raise Overloaded(
                "Too many passwords are being set; try again in a moment.", retry_after=_RETRY_SECONDS
            )
        self._setting.add(owner_id)
        try:
            async with self._setters:
                return await self._in_turn(partial(_HASHER.hash, _bytes(password)))
        finally:
            self._setting.discard(owner_id)

    async def matches(self, kept: str, password: str) -> bool:
        """Whether it is this one; a wrong one takes as long as the right one. Raises Overloaded."""
        if self._comparing >= AT_ONCE + WAITING:
            raise Overloaded(
                "Too many passwords are being checked; try again in a moment.", retry_after=_RETRY_SECONDS
            )
        self._comparing += 1
        try:
            return await self._in_turn(partial(_matches, kept, _bytes(password)))
        finally:
            self._comparing -= 1

    async def _in_turn(self, work: Callable[[], T]) -> T:
        async with self._turns:
            return await run_in_thread(work)


def _matches(kept: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    """One spelling for what looks the same, whatever the keyboard (RFC 8265 section 4.2)."""
    return unicodedata.normalize("NFC", password).encode()
