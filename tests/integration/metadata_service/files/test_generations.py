"""Totals, pages and statistics against counting row by row."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest

from metadata_service.db.paging import PageTokens
from metadata_service.files.filters import Filter, Folding
from metadata_service.files.generations import DAYS, GenerationQueries, Tally
from metadata_service.files.newest_first import MAX_SKIP, NewestFirst, PageRequest
from strongroom.errors import FileNotFound, InvalidField, InvalidPageToken
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import World, plain_spec

KINDS = (1, 2, 3, 4)
ROWS = 120


def queries(world: World) -> GenerationQueries:
    """The use case."""
    tokens = PageTokens(b"s" * 32)
    return GenerationQueries(
        world.database, world.queries, NewestFirst(world.database, tokens, Folding(world.database))
    )


def spec(kind: int = 1, prompt: str = "", settings: str = "") -> UploadSpec:
    """The spec of a picture."""
    made = UploadSpec(filename="a.png", content_type="image/png")
    made.target.generation.type = kind  # type: ignore[assignment]
    made.target.generation.prompt = prompt
    made.target.generation.settings_json = settings
    return made


def counted(world: World, owner: str, kind: int = 0) -> dict[str, Any]:
    """The totals and ids found by reading all rows."""
    rows = world.logins.rows(
        "SELECT g.type, (f.created_at AT TIME ZONE 'UTC')::date, f.size_bytes, f.id::text FROM files f"
        " JOIN generations g ON (g.owner_id, g.file_id) = (f.owner_id, f.id)"
        " WHERE f.owner_id = %s AND f.deleted_at IS NULL AND (%s::int = 0 OR g.type = %s::int)"
        " ORDER BY g.created_at DESC, g.file_id DESC",
        owner, kind, kind,
    )  # fmt: skip
    return {
        "total": Tally(len(rows), sum(row[2] for row in rows)),
        "by_type": _tallies(rows, 0),
        "by_day": _tallies(rows, 1),
        "ids": [row[3] for row in rows],
    }


def _tallies(rows: list[tuple[Any, ...]], column: int) -> dict[Any, Tally]:
    counts: Counter[Any] = Counter()
    sizes: Counter[Any] = Counter()
    for row in rows:
        counts[row[column]] += 1
        sizes[row[column]] += row[2]
    return {key: Tally(count, sizes[key]) for key, count in counts.items()}


async def pages(world: World, owner: str, size: int, kind: int = 0) -> list[str]:
    """The ids on all pages."""
    found, token = [], ""
    while True:
        files, total, token = await queries(world).page(owner, kind, PageRequest(size, token))
        assert total == counted(world, owner, kind)["total"].count
        found += [file.id for file in files]
        if not token:
            return found


async def _check(world: World, owner: str) -> None:
    """Compare all totals with those found by reading all rows."""
    began = datetime.now(UTC).date()
    stats, truth = await queries(world).stats(owner), counted(world, owner)
    assert stats.total == truth["total"]
    assert stats.by_type == dict(sorted(truth["by_type"].items()))
    today = max(stats.by_day)
    assert began <= today <= datetime.now(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    assert stats.by_day == {day: truth["by_day"].get(day, Tally()) for day in days}
    for kind in (0, *KINDS):
        _, total, _ = await queries(world).page(owner, kind, PageRequest(1))
        assert total == counted(world, owner, kind)["total"].count


def _spread(world: World, owner: str, chance: random.Random, files: list[File]) -> None:
    """Make the rows up to 40 days old, many with the same time, and tally them as the migration does."""
    for file in files:
        moment = datetime.now(UTC) - timedelta(days=chance.randrange(40), seconds=chance.randrange(3))
        for table, column in (("files", "id"), ("generations", "file_id")):
            statement = f"UPDATE {table} SET created_at = %s WHERE owner_id = %s AND {column} = %s"
            world.logins.change(statement, moment, owner, file.id)
    migration = import_module("metadata_service.db.migrations.versions.0003_generation_tallies")
    world.logins.change("DELETE FROM generation_tallies")
    world.logins.change(migration.COUNT_WHAT_IS_THERE)


async def test_lists_with_filters_are_counted_so_far(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await world.upload(owner, spec(1, f"Ein roter Fuchs {number}", '{"a": 1, "b": {"c": 2}}'))
    await world.upload(owner, spec(1, "Ein roter Fuchs", r'{"a": 1, "b": "\u0000"}'))
    wanted = Filter("fuchs EIN", settings={"a": "1", "b": '{"c": 2}'})
    for most, total in ((3, 3), (50_001, 4)):
        monkeypatch.setattr("metadata_service.files.newest_first.MOST_COUNTED", most)
        files, counted_so_far, token = await queries(world).page(owner, 0, PageRequest(2), wanted)
        assert (len(files), counted_so_far, bool(token)) == (2, total, True)
    nothing = Filter("fuchs", settings={"a": "1", "b": "2"})
    assert await queries(world).page(owner, 0, PageRequest(2), nothing) == ([], 0, "")


async def test_settings_with_escapes_are_compared_where_postgres_can(world: World, owner: str) -> None:
    readable = (
        r'{"a": "x", "b": "\ud83d\ude00"}',
        r'{"a": "x", "b": "\uD83D\uDE00\ud83d\ude00\\"}',
        r'{"a": "x", "b": "\\u0000 \\ud83d \n"}',
        r'{"a": "\u0078", "b": ""}',
    )
    unreadable = (
        r'{"a": "x", "b": "\u0000"}',
        r'{"a": "x", "b": "\\\u0000"}',
        r'{"a": "x", "b": "\\ud83d\\\u0000"}',
    )
    for text in (*readable, *unreadable):
        await world.upload(owner, spec(1, "", text))
    files, total, _ = await queries(world).page(owner, 0, PageRequest(10), Filter(settings={"a": "x"}))
    assert total == len(readable)
    assert {file.generation_details.settings_json for file in files} == set(readable)
    smiling = Filter(settings={"b": "\U0001f600"})
    assert (await queries(world).page(owner, 0, PageRequest(10), smiling))[1] == 1


async def test_everything_agrees_with_counting(own_world: World, owner: str) -> None:
    chance = random.Random(7)
    world = own_world
    files = [
        await world.upload(owner, spec(chance.choice(KINDS)), chance.randrange(9999)) for _ in range(ROWS)
    ]
    await _check(world, owner)
    _spread(world, owner, chance, files)
    await _check(world, owner)
    chance.shuffle(files)
    for file in files[:20]:
        await world.delete(owner, file)
    for file in files[20:50]:
        await world.delete(owner, file, soft=True)
    await _check(world, owner)
    for file in files[20:35]:
        await world.deleting.undelete(owner, _uuid(file))
    for _ in range(10):
        await world.upload(owner, spec(chance.choice(KINDS)), chance.randrange(9999))
    await _check(world, owner)
    world.logins.change("UPDATE files SET purge_at = now() - interval '1 s' WHERE purge_at IS NOT NULL")
    await world.cleaning.claim(1000)
    assert world.logins.rows("SELECT count(*) FROM files WHERE owner_id = %s", owner) == [(95,)]
    await _check(world, owner)
    for size in (1, 7, 100):
        assert await pages(world, owner, size) == counted(world, owner)["ids"]
    assert await pages(world, owner, 9, 2) == counted(world, owner, 2)["ids"]


def _uuid(file: File) -> UUID:
    return UUID(file.id)


async def test_nobody_has_nothing(world: World, owner: str) -> None:
    stats = await queries(world).stats(owner)
    assert (stats.total, stats.by_type, set(stats.by_day.values())) == (Tally(), {}, {Tally()})
    assert isinstance(next(iter(stats.by_day)), date)
    assert await queries(world).page(owner, 0, PageRequest(10)) == ([], 0, "")


async def test_other_owners_and_families_do_not_count(world: World, owner: str) -> None:
    await world.upload(owner, spec())
    other = await world.upload(f"{owner}-2", spec())
    plain = await world.upload(owner, plain_spec())
    files, total, _ = await queries(world).page(owner, 0, PageRequest(10))
    assert (len(files), total, (await queries(world).stats(owner)).total) == (1, 1, Tally(1, 10))
    for file in (other, plain):
        with pytest.raises(FileNotFound):
            await queries(world).by_id(owner, _uuid(file))


async def test_pages_stay_as_they_are_while_rows_are_added_and_deleted(world: World, owner: str) -> None:
    files = [await world.upload(owner, spec()) for _ in range(6)]
    newest_first = [file.id for file in reversed(files)]
    first, total, token = await queries(world).page(owner, 0, PageRequest(2))
    assert ([file.id for file in first], total) == (newest_first[:2], 6)
    await world.upload(owner, spec())
    await world.delete(owner, first[-1])
    second, total, _ = await queries(world).page(owner, 0, PageRequest(2, token))
    assert ([file.id for file in second], total) == (newest_first[2:4], 6)


async def test_tokens_belong_to_their_query(world: World, owner: str) -> None:
    for _ in range(2):
        await world.upload(owner, spec())
    _, _, token = await queries(world).page(owner, 1, PageRequest(1))
    for who, kind in ((owner, 0), (owner, 2), (f"{owner}-2", 1)):
        with pytest.raises(InvalidPageToken):
            await queries(world).page(who, kind, PageRequest(1, token))
    with pytest.raises(InvalidField):
        await queries(world).page(owner, 1, PageRequest(1, token, skip=1))


async def test_rows_to_skip_are_limited(world: World, owner: str) -> None:
    for skip, said in ((MAX_SKIP, ""), (MAX_SKIP + 1, "page token")):
        if said:
            with pytest.raises(InvalidField, match=said):
                await queries(world).page(owner, 0, PageRequest(1, skip=skip))
        else:
            assert await queries(world).page(owner, 0, PageRequest(1, skip=skip)) == ([], 0, "")


async def test_details_come_back_as_given(world: World, owner: str) -> None:
    text = '{"z": 1.50, "a": "\\u0000", "nested": [null]}'
    made = await world.upload(owner, spec(3, "a prompt\nwith 'quotes'", text))
    file = await queries(world).by_id(owner, _uuid(made))
    assert file == made
    details = file.generation_details
    assert (details.type, details.prompt, details.settings_json) == (3, "a prompt\nwith 'quotes'", text)
