"""A page deep in a list reads what it shows, also by the plan for any parameters that Postgres keeps."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

import psycopg
import pytest

from metadata_service import audit
from metadata_service.projects import queries
from metadata_service.shares import owners as shares
from metadata_service.webhooks import deliveries
from metadata_service.webhooks import owners as webhooks
from strongroom.metadata.v1.webhook_pb2 import DELIVERY_STATE_DEAD, DELIVERY_STATE_PENDING
from tests.databases import Logins

HOOK: Final = uuid.UUID(int=1)
SEED: Final = (
    "SET session_replication_role = replica",  # rows without what they belong to
    f"""
    INSERT INTO webhook_deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at, type,
        subject_id, payload, state, ended_at)
    SELECT 'ada', '{HOOK}', gen_random_uuid(), 'ada', n::text::xid8, n, now(), 1, n::text, '{{}}',
        CASE WHEN n % 1000 = 0 THEN 3 ELSE 2 END, now()
    FROM generate_series(1, 5000) AS n
    """,
    """
    INSERT INTO projects (owner_id, id, slug, name, version, updated_at)
    SELECT 'ada', gen_random_uuid(), n::text, '', 1, now() - n * interval '1 s'
    FROM generate_series(1, 5000) AS n
    """,
    "ANALYZE",
)
#: Each list, and the index of which the page's place has to be a bound; or which has only this state.
LISTS: Final[dict[str, tuple[str, str]]] = {
    "deliveries": (deliveries.PAGES[0], "webhook_deliveries_newest"),
    "dead deliveries": (deliveries.PAGES[DELIVERY_STATE_DEAD], "webhook_deliveries_dead"),
    "pending deliveries": (deliveries.PAGES[DELIVERY_STATE_PENDING], "webhook_deliveries_subject"),
    "projects": (queries.PROJECTS, "projects_by_change"),
    "versions": (queries.VERSIONS, "project_versions_pkey"),
    "shares": (shares.PAGE, "shares_newest"),
    "webhooks": (webhooks.PAGE, "webhooks_newest"),
    "acts": (audit.LIST, "admin_acts_pkey"),
}
TYPES: Final = {
    "owner": "text", "webhook": "uuid", "xid": "text", "event": "bigint", "id": "uuid", "limit": "bigint",
    "before": "timestamptz", "before_id": "uuid", "slug": "text", "active_only": "boolean", "act": "text",
}  # fmt: skip


@pytest.fixture(scope="module")
def listed(module_database: Logins) -> Logins:
    with psycopg.connect(module_database.superuser, autocommit=True) as connection:
        for statement in SEED:
            connection.execute(statement)
    return module_database


def planned(listed: Logins, statement: str, name: str) -> list[str]:
    """The plan for any parameters, as the service's role has it, line by line."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    whole = name in {"versions", "acts"}
    types = [("bigint" if one == "before" and whole else TYPES[one]) for one in names]
    for number, one in enumerate(names, 1):
        statement = statement.replace(f"%({one})s", f"${number}")
    values = ", ".join("NULL" for _ in names)
    with psycopg.connect(listed.app) as connection:
        run: Any = connection.execute
        run("SELECT set_config('app.scope', 'system', false)")
        run("SET plan_cache_mode = force_generic_plan")
        run("SET enable_seqscan = off")  # some of these tables are empty here
        run("SET enable_bitmapscan = off")
        run(f"PREPARE page({', '.join(types)}) AS {statement.replace('%%', '%')}")
        return [row[0].strip() for row in run(f"EXPLAIN EXECUTE page({values})")]


@pytest.mark.parametrize("name", LISTS)
def test_the_place_of_a_page_is_a_bound_of_its_index(listed: Logins, name: str) -> None:
    statement, index = LISTS[name]
    plan = planned(listed, statement, name)
    at = next((number for number, line in enumerate(plan) if f"{index} on" in line), None)
    assert at is not None, "\n".join(plan)
    if index.endswith(("_dead", "_subject")):  # all that are in this state, sorted
        return
    assert "Index Cond" in plan[at + 1], "\n".join(plan)
    assert "CASE WHEN" in plan[at + 1], "\n".join(plan)


async def test_pages_of_few_in_a_state_among_many(listed: Logins) -> None:
    """Two on a page, to the end."""
    with psycopg.connect(listed.app) as connection:
        run: Any = connection.execute
        run("SELECT set_config('app.uid', 'ada', false)")
        values = {"owner": "ada", "webhook": HOOK, "xid": None, "event": None, "id": None, "limit": 2}
        seen, statement = [], deliveries.PAGES[DELIVERY_STATE_DEAD]
        while rows := run(statement, values).fetchall():
            seen += [row[4] for row in rows]
            values |= {"xid": rows[-1][3], "event": rows[-1][4], "id": rows[-1][0]}
    assert seen == [5000, 4000, 3000, 2000, 1000]
