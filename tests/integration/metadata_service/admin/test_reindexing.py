"""Derived rows are rebuilt, and only wrong ones change."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from metadata_service.operators.reindexing import Reindexing
from metadata_service.verifying.sums import PAGE
from strongroom.errors import NotFound, PermissionDenied
from strongroom.metadata.v1 import admin_service_pb2, replica_pb2
from strongroom.metadata.v1 import operations_service_pb2 as operations
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub
from strongroom.metadata.v1.operations_service_pb2_grpc import OperationsServiceStub
from tests.databases import Logins
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.serving import Caller, Server, refusal, serve
from tests.integration.metadata_service.world import World

SPOILS = [
    ("UPDATE usage SET used_bytes = used_bytes + 7", (1, 0)),
    ("DELETE FROM usage", (1, 0)),
    ("UPDATE usage SET file_count = file_count - 1", (1, 0)),
    ("UPDATE project_versions SET size_bytes = 0 WHERE version = 1", (0, 1)),
    ("UPDATE project_versions SET file_count = 9, size_bytes = 9", (0, 2)),
    ("UPDATE projects SET file_count = 0", (0, 1)),
]


async def reindexed(world: World, owner: str = "") -> tuple[int, int, int]:
    *_, last = [step async for step in Reindexing(world.database).run(owner)]
    return last.owners, last.recounted, last.projects


async def sums(world: World, owner: str) -> list[object]:
    return [
        world.logins.rows(statement, owner)
        for statement in (
            "SELECT sum(used_bytes), sum(file_count) FROM usage WHERE owner_id = %s",
            "SELECT version, file_count, size_bytes FROM projects WHERE owner_id = %s",
            "SELECT version, file_count, size_bytes FROM project_versions WHERE owner_id = %s ORDER BY 1",
        )
    ]


@pytest.mark.parametrize(("spoil", "done"), SPOILS)
async def test_sums_are_those_of_the_rows_again(world: World, owner: str, spoil: str, done: object) -> None:
    await world.upload(owner)
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a", "b.txt": b"bb"})
    await projects.save({"a.txt": b"aaa"})
    right = await sums(world, owner)
    world.logins.change(f"{spoil} {'AND' if 'WHERE' in spoil else 'WHERE'} owner_id = %s", owner)
    assert await sums(world, owner) != right
    assert (await reindexed(world, owner))[1:] == done
    assert await sums(world, owner) == right
    assert await reindexed(world, owner) == (1, 0, 0)


async def test_all_owners_page_by_page(own_world: World) -> None:
    for number in range(PAGE + 2):
        await own_world.upload(f"user-{number:03}")
    own_world.logins.change("UPDATE usage SET used_bytes = used_bytes + 1 WHERE %s", True)
    assert await reindexed(own_world) == (PAGE + 2, PAGE + 2, 0)


async def test_what_is_counted_meanwhile_stays_counted(world: World, owner: str) -> None:
    projects = Projects(world, owner)
    await projects.save({"a.txt": b"a"})
    world.logins.change("UPDATE usage SET used_bytes = 99 WHERE owner_id = %s", owner)
    world.logins.change("UPDATE projects SET size_bytes = 99 WHERE owner_id = %s", owner)
    await asyncio.gather(
        *(world.upload(owner) for _ in range(6)),
        *(reindexed(world, owner) for _ in range(3)),
        projects.save({"a.txt": b"aa", "b.txt": b"b"}),
    )
    assert await reindexed(world, owner) == (1, 0, 0)
    assert world.logins.rows("SELECT size_bytes FROM projects WHERE owner_id = %s", owner) == [(3,)]


async def stream(caller: Caller, server: Server, user_id: str) -> list[replica_pb2.ReindexResponse]:
    call = AdminServiceStub(server.channel).Reindex(
        replica_pb2.ReindexRequest(user_id=user_id), metadata=(("authorization", f"Bearer {caller.token}"),)
    )
    return [step async for step in call]


async def test_over_grpc_it_is_an_act(module_database: Logins, owner: str) -> None:
    async with serve(module_database) as server:
        root = server.user("root", internal=False, roles=["admin"])
        await server.user(owner).upload()
        (step,) = await stream(root, server, owner)
        asked = admin_service_pb2.ListAdminActsRequest(user_id=owner)
        acts = (await root.call(AdminServiceStub, "ListAdminActs", asked)).acts
    assert step.owners == 1
    assert [(act.act, act.outcome) for act in acts] == [("reindex", "done"), ("reindex", "begun")]
    assert json.loads(acts[0].details_json)["counts"] == {"owners": 1, "recounted": 0, "projects": 0}


async def test_a_replica_drains_until_it_begins_anew(module_database: Logins) -> None:
    name, instance = f"storage-{uuid.uuid4()}/1", str(uuid.uuid4())
    replica = replica_pb2.Replica(name=name, busy=["cleaner"], requests=2)

    async with serve(module_database) as server:
        service, root = server.service(), server.user("root", internal=False, roles=["admin"])

        async def report(process: str) -> bool:
            request = operations.ReportReplicaRequest(replica=replica, instance=process)
            return bool((await service.call(OperationsServiceStub, "ReportReplica", request)).drain)

        async def ask(method: str, caller: Caller = root, of: str = name) -> object:
            request = getattr(replica_pb2, f"{method}Request")(name=of)
            return (await caller.call(AdminServiceStub, method, request)).replica

        assert not await report(instance)
        denied = await refusal(ask("DrainReplica", server.user("ada", internal=False)))
        unknown = await refusal(ask("DrainReplica", of="nobody/1"))
        await ask("DrainReplica")
        await ask("DrainReplica")
        assert await report(instance)
        listed = await root.call(AdminServiceStub, "ListReplicas", replica_pb2.ListReplicasRequest())
        (found,) = [one for one in listed.replicas if one.name == name]
        assert found.HasField("drain_time")
        assert (list(found.busy), found.requests) == (["cleaner"], 2)
        await ask("UndrainReplica")
        assert not await report(instance)
        await ask("DrainReplica")
        assert not await report(str(uuid.uuid4())), "another process of this name"
        acts = (
            await root.call(
                AdminServiceStub, "ListAdminActs", admin_service_pb2.ListAdminActsRequest(page_size=4)
            )
        ).acts
    assert isinstance(denied, PermissionDenied)
    assert isinstance(unknown, NotFound)
    assert [act.act for act in acts] == ["drain_replica", "undrain_replica", "drain_replica", "drain_replica"]
    assert {json.loads(act.details_json)["replica"] for act in acts} == {name}
