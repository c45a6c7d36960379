"""Spans of background work link to the request that caused it (docs/tracing.md): the writer of such a row
records its trace.
"""

from __future__ import annotations

import re

import pytest

from tests.unit.house.test_house import text_of
from tests.unit.house.test_states import MIGRATIONS, sql_code

#: With what follows until the rows begin: the columns.
INSERTS = re.compile(r"INSERT INTO (?:events|archive_restores)\s*\([^)]*\)")


@pytest.mark.parametrize("table", ["events", "archive_restores"])
def test_who_writes_a_row_that_others_act_upon_keeps_the_trace(table: str) -> None:
    found = {
        (str(path), columns)
        for path in sql_code()
        if path.parts[:3] != MIGRATIONS
        for columns in INSERTS.findall(text_of(path))
        if f"INTO {table}" in columns
    }
    assert found
    assert {path for path, columns in found if "traceparent" not in columns} == set()
