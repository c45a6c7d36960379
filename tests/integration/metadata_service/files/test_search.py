"""Search among many files: its cost, and its pages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

import pytest

from metadata_service.db.database import Row, Statement, Transaction
from metadata_service.db.paging import PageTokens
from metadata_service.files.filters import Filter, Folding, words
from metadata_service.files.search import Search, Searcher
from strongroom.errors import InvalidField, InvalidPageToken
from tests.databases import Logins
from tests.integration.metadata_service.world import World, path_spec, plain_spec

FILL = """
WITH made AS (
    INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec, object_metadata,
        reserved_bytes, reserved_files, size_bytes, crc32c)
    SELECT %s, gen_random_uuid(), 3, 1, 1, gen_random_uuid()::text, false, 'image/png', '', '{}', 0, 0, 1, 0
    FROM generate_series(1, %s) RETURNING owner_id, id, key
)
INSERT INTO files (owner_id, id, family, key, blob_id, filename, content_type, size_bytes, etag, generation,
    crc32c, metadata, visibility, created_at)
SELECT owner_id, id, 1 + (row_number() OVER ())::int %% 6, key, id,
    'picture ' || row_number() OVER () || '.png',
    'image/png', 1, 'e', 1, 0, '{}', 1, now() - make_interval(secs => row_number() OVER ())
FROM made
"""


def searcher(world: World) -> Searcher:
    return Searcher(world.database, PageTokens(b"s" * 32), Folding(world.database))


@pytest.fixture(scope="module")
def many(module_database: Logins) -> str:
    """An owner with 3,000 files; another owner has 20,000."""
    owner = f"many-{uuid.uuid4()}"
    module_database.change(FILL, f"{owner}-2", 20_000)
    module_database.change(FILL, owner, 3_000)
    module_database.change("ANALYZE files")
    return owner


async def test_a_search_reads_one_owner_out_of_indexes(
    world: World, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    fetch = Transaction.fetch_batch

    async def explained(tx: Transaction, statements: Sequence[Statement]) -> list[list[Row]]:
        (query, params) = statements[1]
        explain = f"EXPLAIN (ANALYZE, TIMING OFF) {query}"
        _, plan = await fetch(tx, [statements[0], (explain, params)])
        plans.append("\n".join(row[0] for row in plan))
        return await fetch(tx, statements)

    monkeypatch.setattr(Transaction, "fetch_batch", explained)
    files, token = await searcher(world).page(Search(many, filter=Filter("picture")), 10, "")
    assert (len(files), bool(token)) == (10, True)
    for other in (Search(many, filter=Filter("nothing like it")), Search(many, 1, filter=Filter("2999"))):
        await searcher(world).page(other, 10, "")
    for plan in plans:
        assert "Seq Scan on files" not in plan
        assert "files_by_family" in plan
    read = [int(rows) for rows in re.findall(r"files_by_family on files.*actual rows=(\d+)", plans[0])]
    assert 0 < sum(read) < 100  # a page of ten does not read three thousand


async def test_pages_go_on_behind_what_was_looked_at(
    world: World, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadata_service.files.search.MOST_LOOKED_AT", 700)
    wanted, seen, token, pages = Search(many, filter=Filter("picture 2500.png")), [], "", 0
    while pages == 0 or token:
        files, token = await searcher(world).page(wanted, 10, token)
        seen += [file.filename for file in files]
        pages += 1
    assert (seen, pages) == (["picture 2500.png"], 5)


async def test_what_is_found(world: World, owner: str) -> None:
    await world.upload(owner, plain_spec())
    path = await world.upload(owner, path_spec("Straße/Ünder/b.txt"))
    trashed = await world.upload(owner, path_spec("c.txt"))
    await world.delete(owner, trashed, soft=True)

    async def found(query: str) -> list[str]:
        files, _ = await searcher(world).page(Search(owner, filter=Filter(query)), 0, "")
        return [file.id for file in files]

    assert await found("straße ÜNDER") == [path.id]
    assert await found(owner) == []  # the key contains the owner, which is not a name to search
    assert await found("c.txt") == []
    assert await searcher(world).page(Search(f"{owner}-2", filter=Filter("b")), 0, "") == ([], "")
    _, token = await searcher(world).page(Search(owner), 1, "")
    for other in (Search(owner, filter=Filter("b")), Search(owner, 1), Search(f"{owner}-2")):
        with pytest.raises(InvalidPageToken):
            await searcher(world).page(other, 1, token)


def test_words_of_a_query() -> None:
    assert words('red  "slow fox" a"b c"d ""') == ["red", "slow fox", "a", "b c", "d"]
    assert words('an "open quote') == ["an", "open quote"]
    with pytest.raises(InvalidField):
        words("a b c d e f g h i j k")


async def test_a_text_is_found_in_either_form_of_unicode(world: World, owner: str) -> None:
    composed, apart = "Caf\u00e9 Zo\u00eb", "Cafe\u0301 Zoe\u0308"
    for name in (composed, apart):
        named = plain_spec()
        named.filename = f"{name}.txt"
        await world.upload(owner, named)
    for query in (composed, apart, "CAF\u00c9", '"e\u0301 zo\u00eb"'):
        files, _ = await searcher(world).page(Search(owner, filter=Filter(query)), 10, "")
        assert len(files) == 2, query
