"""Admins' acts are recorded in their transactions, never changed, and listed."""

from __future__ import annotations

import hashlib
import json

import psycopg
import pytest

from metadata_service import audit
from metadata_service.audit import Act, Acts
from metadata_service.config import Limits
from metadata_service.db.database import SYSTEM, Transaction
from strongroom.errors import PermissionDenied
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1 import usage_service_pb2
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.databases import Logins
from tests.integration.metadata_service.serving import refusal, serve
from tests.integration.metadata_service.world import World


async def test_a_quota_is_set_and_written_down_by_name(module_database: Logins, owner: str) -> None:
    async with serve(module_database) as server:
        root = server.user("root", internal=False, roles=["admin"])
        await root.usage("SetQuota", usage_service_pb2.SetQuotaRequest(user_id=owner, limit_bytes=7))
        asked = pb.ListAdminActsRequest(user_id=owner)
        (act,) = (await root.call(AdminServiceStub, "ListAdminActs", asked)).acts
    assert (act.act, act.actor, act.owner_id, act.outcome) == ("set_quota", "root", owner, "done")
    assert json.loads(act.details_json) == {"limit_bytes": 7, "limit_files": None}
    assert act.request_id
    ((installation,),) = module_database.rows("SELECT id::text FROM installation")
    assert act.owner_sha256 == hashlib.sha256(f"{installation}\n{owner}".encode()).digest()


@pytest.mark.parametrize("method", ["ListUsage", "ListAdminActs"])
async def test_only_admins(module_database: Logins, owner: str, method: str) -> None:
    request = getattr(pb, f"{method}Request")(user_id=owner)
    async with serve(module_database) as server:
        error = await refusal(server.user(owner, internal=False).call(AdminServiceStub, method, request))
    assert isinstance(error, PermissionDenied)


async def test_what_is_not_written_down_does_not_happen(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(tx: Transaction, act: Act) -> None:
        raise OSError("no room for acts")

    monkeypatch.setattr(audit, "write", fails)
    with pytest.raises(OSError, match="no room"):
        await world.usage.set_limits(owner, Limits(bytes=5), actor="root")
    assert world.logins.rows("SELECT 1 FROM quotas WHERE owner_id = %s", owner) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE admin_acts SET actor = 'nobody'", "DELETE FROM admin_acts", "TRUNCATE admin_acts"],
)
async def test_an_act_stays(world: World, owner: str, statement: str) -> None:
    await world.usage.set_limits(owner, Limits(), actor="root")
    with psycopg.connect(world.logins.app) as connection:
        connection.execute("SELECT set_config('app.scope', 'system', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


async def test_pages_newest_first(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        for number in range(5):
            await audit.write(tx, Act("try", f"admin-{number}", owner))
        await audit.write(tx, Act("other", "", owner))

    await world.database.transact(SYSTEM, work)
    acts = Acts(world.database)
    assert [act.act for act in await acts.page(owner, "", 0, 1)] == ["other"]
    first = await acts.page(owner, "try", 0, 3)
    rest = await acts.page(owner, "try", first[-1].id, 3)
    assert [act.actor for act in (*first, *rest)] == [f"admin-{number}" for number in (4, 3, 2, 1, 0)]
    assert await acts.page("nobody-at-all", "", 0, 3) == []


@pytest.mark.parametrize("about", ["", "ada"])
async def test_an_act_of_many_steps_is_noted_with_whom_it_is_about(
    module_database: Logins, owner: str, about: str
) -> None:
    user_id = about and owner
    name = f"root-{owner}"
    async with serve(module_database) as server:
        root = server.user(name, internal=False, roles=["admin"])
        noted = pb.NoteActRequest(act="export_user", details={"run": "x"}, user_id=user_id)
        await root.call(AdminServiceStub, "NoteAct", noted)
        asked = pb.ListAdminActsRequest(user_id=user_id, act="export_user")
        acts = (await root.call(AdminServiceStub, "ListAdminActs", asked)).acts
    (act,) = [act for act in acts if act.actor == name]
    assert (act.act, act.owner_id, act.outcome) == ("export_user", user_id, "begun")
    assert json.loads(act.details_json) == {"run": "x"}
