"""A flood of password changes does not lock out guests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from metadata_service.shares import passwords as module
from metadata_service.shares.passwords import AT_ONCE, SETTING, WAITING, Passwords
from strongroom.errors import Overloaded, RateLimited


class Hasher:
    """Hashing waits until the test releases all or one; comparing takes no time. ``running``: threads that
    hash.
    """

    def __init__(self) -> None:
        self.started, self.may_end = threading.Event(), threading.Event()
        self.one = threading.Semaphore(0)
        self.running = 0

    def hash(self, password: bytes) -> str:
        self.running += 1
        self.started.set()
        while not self.may_end.wait(0.01) and not self.one.acquire(blocking=False):
            pass
        self.running -= 1
        return f"kept {password.decode()}"

    def verify(self, kept: str, password: bytes) -> bool:
        return kept == f"kept {password.decode()}"


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hasher]:
    made = Hasher()
    monkeypatch.setattr(module, "_HASHER", made)
    yield made
    made.may_end.set()


async def test_an_owner_sets_one_at_a_time(hasher: Hasher) -> None:
    passwords = Passwords()
    first = asyncio.create_task(passwords.hashed("ada", "p"))
    assert await asyncio.to_thread(hasher.started.wait, 30)
    for other in ("p", "q", ""):
        with pytest.raises(RateLimited, match="being set already") as refused:
            await passwords.hashed("ada", other)
        assert (refused.value.retry_after, refused.value.metadata["limit"]) == (1.0, "user_passwords")
    hasher.may_end.set()
    assert await first == "kept p"
    assert await passwords.hashed("ada", "q") == "kept q"


async def test_guests_are_let_in_while_many_owners_set_theirs(hasher: Hasher) -> None:
    passwords = Passwords()
    setting = [asyncio.create_task(passwords.hashed(f"owner {n}", "p")) for n in range(SETTING)]
    assert await asyncio.to_thread(hasher.started.wait, 30)
    with pytest.raises(Overloaded):
        await passwords.hashed("one more", "p")
    guests = [asyncio.create_task(passwords.matches("kept p", word)) for word in ("p", "q")]
    await asyncio.sleep(0)
    hasher.one.release()  # the running one; at most one more owner is ahead of the guests
    hasher.one.release()
    async with asyncio.timeout(60):
        assert await asyncio.gather(*guests) == [True, False]
    assert sum(task.done() for task in setting) <= 2
    hasher.may_end.set()
    assert set(await asyncio.gather(*setting)) == {"kept p"}


async def test_one_is_computed_at_a_time(hasher: Hasher) -> None:
    """Two would occupy both cores of a small machine."""
    passwords = Passwords()
    setting = [asyncio.create_task(passwords.hashed(f"owner {n}", "p")) for n in range(SETTING)]
    guest = asyncio.create_task(passwords.matches("kept p", "p"))
    assert await asyncio.to_thread(hasher.started.wait, 30)
    await asyncio.sleep(0.05)
    assert (hasher.running, guest.done()) == (1, False)
    hasher.may_end.set()
    assert await guest
    assert set(await asyncio.gather(*setting)) == {"kept p"}


async def test_who_goes_away_has_its_turn_until_the_core_is_free(hasher: Hasher) -> None:
    passwords = Passwords()
    gone = asyncio.create_task(passwords.hashed("ada", "p"))
    assert await asyncio.to_thread(hasher.started.wait, 30)
    gone.cancel()
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await passwords.hashed("ada", "p")
    other = asyncio.create_task(passwords.hashed("bob", "p"))
    await asyncio.sleep(0.05)
    assert hasher.running == 1
    hasher.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await other == "kept p"
    assert await passwords.hashed("ada", "q") == "kept q"


async def test_who_goes_away_while_waiting_leaves_nothing(hasher: Hasher) -> None:
    passwords = Passwords()
    first = asyncio.create_task(passwords.hashed("ada", "p"))
    assert await asyncio.to_thread(hasher.started.wait, 30)
    waiting = asyncio.create_task(passwords.hashed("bob", "p"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    hasher.may_end.set()
    assert await first == "kept p"
    assert await passwords.hashed("bob", "q") == "kept q"


async def test_comparing_is_bounded() -> None:
    passwords = Passwords()
    kept = await passwords.hashed("ada", "p")
    waiting = [asyncio.create_task(passwords.matches(kept, "p")) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await passwords.matches(kept, "p")
    assert refused.value.retry_after == 1.0
    for task in waiting[AT_ONCE:]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await passwords.matches(kept, "p")
