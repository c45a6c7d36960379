"""Passwords of shares: Argon2id (RFC 9106), off the event loop.

The parameters are OWASP's for servers (19 MiB, two passes, one lane): some 30 ms of one core. One hash is
computed at a time and few callers may wait, so a flood of passwords occupies one core at most and gets
OVERLOADED. Owners who set passwords have a queue of their own with one request each, and only one of them
waits together with the guests.
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
from strongroom.errors import Overloaded, RateLimited

AT_ONCE: Final = 1
WAITING: Final = 32
SETTING: Final = 32
"""The most owners setting a password at once."""
_RETRY_SECONDS: Final = 1.0
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

T = TypeVar("T")


class Passwords:
    """Hashes and compares passwords; one instance per process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._setters = asyncio.Semaphore(1)
        self._setting: set[str] = set()
        self._comparing = 0

    async def hashed(self, owner_id: str, password: str) -> str:
        """The hash to store, in PHC format with salt and parameters.

        Raises RateLimited: this owner is setting another password; Overloaded: many others are.
        """
        if owner_id in self._setting:
            raise RateLimited(
                "A password is being set already; try again in a moment.",
                retry_after=_RETRY_SECONDS,
                metadata={"limit": "user_passwords"},
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
        """Whether the password is right; a wrong one takes as long. Raises Overloaded."""
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
    """One encoding for text that looks the same, whatever the keyboard (RFC 8265 section 4.2)."""
    return unicodedata.normalize("NFC", password).encode()
