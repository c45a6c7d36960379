"""The cost of each request in Postgres: the statements of each round trip, BEGIN, scope and COMMIT included.

A request that needs another statement should send it in an existing round trip.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from metadata_service.config import Limits
from metadata_service.db.exchange import ExchangeConnection, Result, Statement
from metadata_service.db.revisions import READ, Revisions
from metadata_service.files.queries import Listing
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.sessions.test_sessions import Sessions
from tests.integration.metadata_service.world import SINGLE, World, path_spec, plain_spec


class RoundTrips(list[list[str]]):
    """The first word of each statement, by round trip."""

    def sizes(self) -> list[int]:
        """The number of statements in each round trip; clears the record."""
        sizes = [len(words) for words in self]
        self.clear()
        return sizes


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> RoundTrips:
    seen = RoundTrips()
    send = ExchangeConnection.exchange

    async def watched(connection: ExchangeConnection, statements: Sequence[Statement]) -> list[Result]:
        seen.append([text.split()[0] for text, _ in statements])
        return await send(connection, statements)

    monkeypatch.setattr(ExchangeConnection, "exchange", watched)
    return seen


async def test_a_plain_upload_is_two_round_trips(world: World, owner: str, trips: RoundTrips) -> None:
    blob = await world.attempt(owner)
    assert trips == [["BEGIN", "SELECT", "INSERT", "COMMIT"]]
    trips.clear()
    await world.commit(blob)
    assert trips == [["BEGIN", "SELECT", "WITH", "INSERT", "COMMIT"]]


async def test_so_is_one_of_parts_besides_its_own_steps(world: World, owner: str, trips: RoundTrips) -> None:
    blob = await world.completing(owner)
    assert trips.sizes() == [4, 3, 1, 3, 1, 1]
    await world.commit(blob)
    assert trips.sizes() == [5]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (plain_spec("r1"), [[4, 1], [4, 4, 1]]),
        (path_spec(), [[3, 2, 1], [4, 1, 4]]),
        (path_spec(if_generation_match=0), [[3, 2, 1], [4, 1, 4]]),
    ],
    ids=["with a request id", "to a place", "with a precondition"],
)
async def test_what_has_to_be_looked_up(
    world: World, owner: str, trips: RoundTrips, spec: UploadSpec, expected: list[list[int]]
) -> None:
    blob = await world.attempt(owner, spec)
    reserve = trips.sizes()
    await world.commit(blob)
    assert [reserve, trips.sizes()] == expected


async def test_an_owner_with_limits_is_summed_up(world: World, owner: str, trips: RoundTrips) -> None:
    await world.usage.set_limits(owner, Limits(bytes=1000, files=10), actor="root")
    trips.clear()
    blob = await world.attempt(owner, plain_spec(size_bytes=10))
    assert trips.sizes() == [4, 4, 2, 1]  # tried in a group; then alone: the row, the sums, COMMIT
    await world.commit(blob)
    assert trips.sizes() == [4, 4]


async def test_open_sessions_are_no_sums(world: World, owner: str, trips: RoundTrips) -> None:
    """The limit of open sessions, which every installation has, costs other uploads nothing."""
    world = world.but(limits=Limits(open_sessions=100))
    blob = await world.attempt(owner, path_spec())
    trips.clear()
    await world.commit(blob)
    assert trips.sizes() == [4, 1, 4]


async def test_which_is_known_the_next_time(world: World, owner: str, trips: RoundTrips) -> None:
    reserving = world.reserving
    await world.usage.set_limits(owner, Limits(files=10), actor="root")
    wanted = ReserveRequest(spec=plain_spec(), kind=SINGLE)
    await reserving.reserve(owner, wanted)
    trips.clear()
    await reserving.reserve(owner, wanted)
    assert trips.sizes() == [4, 2, 1]


async def test_reading_is_one_round_trip(world: World, owner: str, trips: RoundTrips) -> None:
    file = await world.upload(owner)
    trips.clear()
    await world.queries.by_key(owner, file.key)
    assert trips.sizes() == [2]
    await world.queries.page(Listing(owner, basic=True), 50, "")
    assert trips.sizes() == [2]


async def test_a_list_that_has_not_changed_is_one_look_up(
    world: World, owner: str, trips: RoundTrips
) -> None:
    """Reading the revision takes one round trip for any list; with a list it takes none of its own."""
    await world.upload(owner)
    revisions = Revisions("")
    trips.clear()
    await world.usage.revision(owner, revisions)
    assert trips == [["SELECT", "SELECT"]]
    trips.clear()
    with revisions.seen() as seen:
        await world.queries.page(Listing(owner, basic=True), 50, "")
        await world.trash.page(owner, 0, 50, "")
    assert trips.sizes() == [3, 2]
    assert seen.text == await world.usage.revision(owner, revisions)
    scanned = "".join(
        row[0]
        for row in world.logins.rows(
            "EXPLAIN (COSTS OFF) " + READ.replace("%(owner)s", "'nobody'").replace("%", "%%")
        )
    )
    assert "Seq Scan on files" not in scanned


async def test_a_piece_of_a_session(world: World, owner: str, trips: RoundTrips) -> None:
    sessions = Sessions(world, owner)
    opened = await sessions.open(10)
    assert trips.sizes() == [4, 1, 1, 3, 1]
    acquired = await sessions.reading.acquire(owner, opened.upload_id)
    acquiring = trips.sizes()
    await sessions.record(acquired, 3)
    recording = trips.sizes()
    await sessions.reading.get(owner, opened.upload_id)
    assert [acquiring, recording, trips.sizes()] == [[4, 3, 1, 1], [4], [2]]
