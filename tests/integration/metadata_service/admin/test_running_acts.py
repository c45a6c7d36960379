"""Acts of many steps: one at a time if they change objects, each with a recorded outcome."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from metadata_service.audit import Act, Acts
from metadata_service.operators.running_acts import REST_SECONDS, RunningActs
from servicekit.background import Heartbeats
from strongroom.errors import ActInProgress, InvalidField, PermissionDenied, UploadSuperseded
from strongroom.metadata.v1 import operations_service_pb2 as pb
from strongroom.metadata.v1.operations_service_pb2_grpc import OperationsServiceStub
from tests.databases import Logins
from tests.integration.metadata_service.serving import refusal, serve
from tests.integration.metadata_service.world import World

LEASE_SECONDS = 10.0
DONE, STOPPED = pb.ACT_OUTCOME_DONE, pb.ACT_OUTCOME_STOPPED


class Bench:
    def __init__(self, world: World) -> None:
        self.world = world
        self.acts = RunningActs(world.database, Heartbeats().add("acts", 1), LEASE_SECONDS)

    async def begin(
        self, act: str, actor: str = "root", *, token: str = "", changes: bool = True, about: str = ""
    ) -> str:
        token = token or str(uuid.uuid4())
        request = pb.BeginActRequest(act=act, token=token, changes_objects=changes)
        assert await self.acts.begin(request, Act(act, actor, about, outcome="begun")) == LEASE_SECONDS
        return token

    async def end(self, token: str, outcome: Any = DONE, *, more: bool = False, **counts: int) -> None:
        await self.acts.end(pb.EndActRequest(token=token, outcome=outcome, counts=counts, more_may_come=more))

    async def told(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """The recorded acts, oldest first."""
        acts = await Acts(self.world.database).page("", "", 0, 0)
        return [
            (one.act, one.actor, one.outcome, json.loads(one.details_json).get("counts", {}))
            for one in reversed(acts)
        ]

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.world.logins.change(
            "UPDATE running_acts SET held_until = held_until - make_interval(secs => %s)", seconds
        )


@pytest.fixture
def bench(own_world: World) -> Bench:
    return Bench(own_world)


@pytest.mark.parametrize("other", ["keep_objects", "drop_objects", "relink_objects", "restore_quarantined"])
async def test_one_changes_objects_at_a_time(bench: Bench, other: str) -> None:
    token = await bench.begin("repair_findings", "root")
    for actor in ("root", "bea"):
        with pytest.raises(
            ActInProgress, match=r"repair_findings, since .* UTC.*nothing was touched"
        ) as error:
            await bench.begin(other, actor)
        assert 0 < (error.value.retry_after or 0) <= LEASE_SECONDS
        assert error.value.metadata == {"act": "repair_findings"}
        assert str(error.value).startswith("You are" if actor == "root" else "root is")
    await bench.end(token, repaired=3)
    await bench.end(await bench.begin(other, "bea"))
    assert [one[:3] for one in await bench.told()] == [
        ("repair_findings", "root", "begun"),
        ("repair_findings", "root", "done"),
        (other, "bea", "begun"),
        (other, "bea", "done"),
    ]


async def test_of_two_at_one_moment_one_is_let_in(bench: Bench) -> None:
    tries = await asyncio.gather(
        *(bench.begin("keep_objects", f"admin-{number}") for number in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, str) for one in tries) == 1
    refused = [one for one in tries if isinstance(one, ActInProgress)]
    assert [one.metadata for one in refused] == [{"act": "keep_objects"}] * 3
    assert all("admin-" in str(one) and one.retry_after for one in refused)
    assert len(await bench.told()) == 1


async def test_what_changes_no_objects_waits_for_nobody(bench: Bench) -> None:
    held = await bench.begin("repair_findings")
    await bench.end(await bench.begin("export_user", changes=False, about="ada"))
    await bench.end(held)
    acts = await Acts(bench.world.database).page("ada", "", 0, 0)
    assert [(one.act, one.outcome, one.owner_id) for one in acts] == [
        ("export_user", "done", "ada"),
        ("export_user", "begun", "ada"),
    ]


async def test_calls_of_one_act_are_one_act(bench: Bench) -> None:
    for kept in (20, 20, 3):
        await bench.end(await bench.begin("keep_objects"), more=True, kept=kept, refused=1)
    with pytest.raises(ActInProgress) as error:
        await bench.begin("repair_findings", "bea")
    assert 0 < (error.value.retry_after or 0) <= REST_SECONDS
    bench.passes(REST_SECONDS)
    assert not await bench.acts.run_once()
    assert await bench.told() == [
        ("keep_objects", "root", "begun", {}),
        ("keep_objects", "root", "done", {"kept": 43, "refused": 3}),
    ]


async def test_the_same_admin_does_not_wait_for_what_has_ended(bench: Bench) -> None:
    await bench.end(await bench.begin("keep_objects"), more=True, kept=1)
    await bench.end(await bench.begin("drop_objects"), more=True, dropped=2)
    assert [one[:3] for one in await bench.told()] == [
        ("keep_objects", "root", "begun"),
        ("keep_objects", "root", "done"),
        ("drop_objects", "root", "begun"),
    ]


async def test_who_died_is_told_of_and_holds_nobody_up(bench: Bench) -> None:
    dead = await bench.begin("drop_objects", "ada")
    bench.passes(LEASE_SECONDS)
    with pytest.raises(UploadSuperseded):
        await bench.acts.renew(dead)
    token = await bench.begin("repair_findings", "bea")
    await bench.end(dead, dropped=7)
    assert await bench.acts.renew(token) == LEASE_SECONDS
    assert [one[:3] for one in await bench.told()] == [
        ("drop_objects", "ada", "begun"),
        ("drop_objects", "ada", "interrupted"),
        ("repair_findings", "bea", "begun"),
    ]


@pytest.mark.parametrize("changes", [True, False])
async def test_a_repeat_changes_nothing(bench: Bench, changes: bool) -> None:
    token = await bench.begin("export_user", changes=changes)
    await bench.begin("export_user", token=token, changes=changes)
    await bench.end(token, STOPPED)
    await bench.end(token, DONE)
    assert [one[2] for one in await bench.told()] == ["begun", "stopped"]


async def test_over_grpc(module_database: Logins) -> None:
    request = pb.BeginActRequest(act="keep_objects", token=str(uuid.uuid4()), changes_objects=True)
    async with serve(module_database) as server:
        root, stub = server.user("root", roles=["admin"]), OperationsServiceStub
        denied = await refusal(server.user("ada").call(stub, "BeginAct", request))
        unnamed = await refusal(
            root.call(stub, "BeginAct", pb.BeginActRequest(act="shred", token=request.token))
        )
        await root.call(stub, "BeginAct", request)
        other = pb.BeginActRequest(act="drop_objects", token=str(uuid.uuid4()), changes_objects=True)
        busy = await refusal(server.user("bea", roles=["admin"]).call(stub, "BeginAct", other))
        service = server.service()
        lease = await service.call(stub, "RenewAct", pb.RenewActRequest(token=request.token))
        await service.call(stub, "EndAct", pb.EndActRequest(token=request.token, outcome=DONE))
        await server.user("bea", roles=["admin"]).call(stub, "BeginAct", other)
    assert isinstance(denied, PermissionDenied)
    assert isinstance(unnamed, InvalidField)
    assert isinstance(busy, ActInProgress)
    assert busy.retry_after
    assert lease.lease_seconds == LEASE_SECONDS
