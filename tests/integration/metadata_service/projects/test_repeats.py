"""Idempotency keys of saves (AIP-155)."""

from __future__ import annotations

import pytest

from strongroom.errors import IdempotencyKeyReused, RequestInProgress
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import plain_spec

FILES = {"a": b"1"}
SAME = {"request_id": "r-1", "fingerprint": b"f" * 32}


async def _saved(projects: Projects) -> pb.CommitSaveResponse:
    return await projects.save(FILES, **SAME)


async def test_a_repeat_answers_the_first_save(projects: Projects) -> None:
    first = await _saved(projects)
    again = await projects.begin(**SAME)
    assert again.replay == first
    assert (await projects.queries.project(projects.owner, "site")).version == 1


async def test_the_answer_outlives_the_project(projects: Projects) -> None:
    first = await _saved(projects)
    await projects.remove()
    assert (await projects.begin(**SAME)).replay == first


async def test_another_request_with_the_key_is_refused(projects: Projects) -> None:
    await _saved(projects)
    with pytest.raises(IdempotencyKeyReused):
        await projects.begin(request_id="r-1", fingerprint=b"g" * 32)


async def test_an_uploads_key_is_refused(projects: Projects) -> None:
    await projects.world.upload(projects.owner, plain_spec("r-1"))
    with pytest.raises(IdempotencyKeyReused):
        await projects.begin(**SAME)


async def test_a_saves_key_is_refused_for_an_upload(projects: Projects) -> None:
    await _saved(projects)
    with pytest.raises(IdempotencyKeyReused):
        await projects.world.reserve(projects.owner, plain_spec("r-1"))


async def test_while_the_save_runs(projects: Projects) -> None:
    await projects.begin(**SAME)
    with pytest.raises(RequestInProgress):
        await projects.begin(**SAME)


async def test_a_dead_save_frees_the_key(projects: Projects) -> None:
    begun = await projects.begin(**SAME)
    await projects.abandon(begun.save_id)
    assert (await _saved(projects)).version.version == 1
    assert (await projects.begin(**SAME)).WhichOneof("outcome") == "replay"


async def test_a_silent_save_frees_the_key(projects: Projects) -> None:
    await projects.begin(**SAME)
    projects.let_lease_run_out()
    assert (await _saved(projects)).version.version == 1


async def test_a_refused_save_does_not_hold_the_key(projects: Projects) -> None:
    await projects.save(FILES)
    with pytest.raises(RequestInProgress):
        await _while_another_runs(projects)
    assert projects.counts("idempotency_keys") == [0]


async def _while_another_runs(projects: Projects) -> None:
    await projects.begin()
    await projects.begin(**SAME)
