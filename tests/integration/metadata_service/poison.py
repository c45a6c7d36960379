"""Rows that no statement can change, as after a bug, a limit or a trigger."""

from __future__ import annotations

from typing import Final

from tests.integration.metadata_service.world import World

_REFUSE: Final = """
CREATE FUNCTION poisoned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'poisoned'; END $$
"""
_ON: Final = """
CREATE TRIGGER poisoned BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW WHEN ({which})
EXECUTE FUNCTION poisoned()
"""


def poison(world: World, table: str, which: str) -> None:
    """Make these rows unchangeable. `which`: a condition on OLD. The database must be the test's own."""
    world.logins.change(_REFUSE)
    world.logins.change(_ON.format(table=table, which=which))
