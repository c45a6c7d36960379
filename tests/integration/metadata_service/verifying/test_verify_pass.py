"""The benchmark `benchmarks/verify_pass.py` on few rows reads all of them."""

from __future__ import annotations

import psycopg

from benchmarks import rows, verify_pass
from tests.databases import Logins
from tests.integration.metadata_service.serving import INTERNAL_SECRET, serve

MORE = 2_500


async def test_a_pass_sees_each_row_and_its_object_and_finds_what_is_wrong(database: Logins) -> None:
    async with serve(database) as server:
        file = await server.user("ada").upload()
        rows.fill_stack(database.superuser, file.key, MORE)
        found = await verify_pass.run(database.superuser, server.channel, INTERNAL_SECRET)
        with psycopg.connect(database.superuser, autocommit=True) as connection:
            connection.execute("UPDATE usage SET used_bytes = used_bytes + 1")
        wrong = await verify_pass.run(database.superuser, server.channel, INTERNAL_SECRET)
    assert (found["state"], found["failure"], found["findings"]) == ("VERIFICATION_STATE_FINISHED", "", 0)
    assert (found["rows"], found["objects"]) == (MORE + 1, MORE + 1)
    assert wrong["findings"] == 1
