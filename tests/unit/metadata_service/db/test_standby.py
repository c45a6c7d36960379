"""Which lists a standby may answer."""

from __future__ import annotations

import pytest

from metadata_service.db.standby import Standby
from strongroom.errors import DatabaseUnavailable


class Servers:
    """A primary whose log grows, and a standby that catches up when the test says so."""

    def __init__(self, limit: float = 5.0) -> None:
        self.now = 100.0
        self.written: int | None = 1000
        self.replayed: int | None = 1000
        self.standby = Standby(self._primary, self._follower, limit, lambda: self.now)

    async def _primary(self) -> int | None:
        return self.written

    async def _follower(self) -> int | None:
        if self.replayed is not None and self.replayed < 0:
            raise DatabaseUnavailable("away")
        return self.replayed

    async def look(self, *, after: float = 0.5) -> None:
        self.now += after
        await self.standby.look()

    def write(self, owner: str) -> None:
        assert self.written is not None
        self.written += 10
        self.standby.wrote(owner)


async def asked(servers: Servers, owner: str) -> str:
    async def there() -> str:
        return "standby"

    async def here() -> str:
        return "primary"

    return await servers.standby.read(owner, there, here)


async def test_nobody_before_it_was_looked_at() -> None:
    servers = Servers()
    assert await asked(servers, "ada") == "primary"
    await servers.look()
    assert await asked(servers, "ada") == "standby"


async def test_who_has_written_waits_until_it_is_there() -> None:
    servers = Servers()
    await servers.look()
    servers.now += 0.1
    servers.write("ada")
    assert await asked(servers, "ada") == "primary"
    assert await asked(servers, "bob") == "standby"
    await servers.look()  # notes the position; the standby has not reached it
    assert await asked(servers, "ada") == "primary"
    servers.replayed = servers.written
    await servers.look()
    assert await asked(servers, "ada") == "standby"


async def test_a_write_in_the_moment_of_the_note_waits_for_the_next_one() -> None:
    servers = Servers()
    await servers.look()
    servers.write("ada")  # at the very moment
    assert await asked(servers, "ada") == "primary"
    servers.replayed = servers.written
    await servers.look()
    assert await asked(servers, "ada") == "standby"


async def test_too_far_behind_nobody_is_sent_there() -> None:
    servers = Servers(limit=5.0)
    await servers.look()
    servers.write("ada")
    for _ in range(9):
        await servers.look()
    assert await asked(servers, "bob") == "standby"
    assert servers.standby.lag == 4.5
    for _ in range(2):
        await servers.look()
    assert await asked(servers, "bob") == "primary"
    servers.replayed = servers.written
    await servers.look()
    assert [await asked(servers, name) for name in ("ada", "bob")] == ["standby", "standby"]


async def test_an_idle_primary_makes_no_lag() -> None:
    servers = Servers(limit=5.0)
    for _ in range(100):
        await servers.look()
    assert await asked(servers, "ada") == "standby"


async def test_one_that_is_away_or_none_is_not_asked() -> None:
    servers = Servers()
    for away in (-1, None):
        servers.replayed = 1000
        await servers.look()
        assert await asked(servers, "ada") == "standby"
        servers.replayed = away
        with pytest.raises(DatabaseUnavailable):  # the loop's health and log say so
            await servers.look()
        assert servers.standby.lag is None
        assert await asked(servers, "ada") == "primary"


async def test_what_it_fails_at_the_primary_answers() -> None:
    servers = Servers()
    await servers.look()

    async def there() -> str:
        raise DatabaseUnavailable("restarts")

    async def here() -> str:
        return "primary"

    assert await servers.standby.read("ada", there, here) == "primary"
    assert await asked(servers, "ada") == "primary"  # until the next look
    await servers.look()
    assert await asked(servers, "ada") == "standby"


async def test_writes_are_forgotten_once_nothing_depends_on_them() -> None:
    servers = Servers(limit=5.0)
    await servers.look()
    for number in range(1000):
        servers.write(f"user-{number}")
    servers.replayed = -1
    for _ in range(20):
        with pytest.raises(DatabaseUnavailable):
            await servers.look()
    assert not servers.standby._written
    servers.replayed = 1000
    await servers.look()
    assert await asked(servers, "user-1") == "primary"  # its data is older than the limit


async def test_a_primary_in_its_place_is_the_operators_mistake() -> None:
    servers = Servers()
    servers.replayed = None
    with pytest.raises(DatabaseUnavailable) as told:
        await servers.look()
    assert "STRONGROOM_DATABASE_READ_URL" in told.value.advice
    assert "STRONGROOM" not in told.value.message
