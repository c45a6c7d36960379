"""Idempotency keys of saves (AIP-155)."""

from __future__ import annotations

import pytest

from metadata_service.blobs.states import ABORTING, PENDING
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


async def test_a_key_names_the_save_and_no_blob(projects: Projects) -> None:
    begun = await projects.begin(**SAME)
    held = projects.world.logins.rows(
        "SELECT blob_id, save_id::text FROM idempotency_keys WHERE owner_id = %s", projects.owner
    )
    assert held == [(None, begun.save_id)]


async def test_a_running_saves_key_is_refused_for_an_upload(projects: Projects) -> None:
    await projects.begin(**SAME)
    with pytest.raises(IdempotencyKeyReused):
        await projects.world.reserve(projects.owner, plain_spec("r-1"))


async def test_a_running_save_keeps_its_key_past_the_time(projects: Projects) -> None:
    await projects.begin(**SAME)
    _let_keys_expire(projects)
    with pytest.raises(RequestInProgress):
        await projects.begin(**SAME)
    await projects.world.cleaning.claim(1)
    assert projects.counts("idempotency_keys") == [1]


async def test_an_upload_takes_over_the_key_of_a_dead_save_past_its_time(projects: Projects) -> None:
    await projects.begin(**SAME)
    projects.let_lease_run_out()
    _let_keys_expire(projects)
    blob = await projects.world.attempt(projects.owner, plain_spec("r-1"))
    held = projects.world.logins.rows(
        "SELECT blob_id::text, save_id FROM idempotency_keys WHERE owner_id = %s", projects.owner
    )
    assert held == [(blob.id, None)]


async def test_a_save_takes_over_the_key_of_a_dead_upload_past_its_time(projects: Projects) -> None:
    blob = await projects.world.attempt(projects.owner, plain_spec("r-1"))
    projects.world.run_out(blob)
    _let_keys_expire(projects)
    assert (await _saved(projects)).version.version == 1
    assert projects.world.state(blob) == ABORTING


async def test_the_key_of_a_save_that_the_release_before_has_begun(projects: Projects) -> None:
    """The key names a blob that does not exist; the save itself shows that it is running."""
    begun = await projects.begin(**SAME)
    projects.world.logins.change(
        "UPDATE idempotency_keys SET blob_id = save_id, save_id = NULL WHERE owner_id = %s", projects.owner
    )
    with pytest.raises(RequestInProgress):
        await projects.begin(**SAME)
    await projects.abandon(begun.save_id)
    assert (await _saved(projects)).version.version == 1


async def test_the_files_of_a_save_live_as_long_as_it_does(projects: Projects) -> None:
    begun = await projects.begin()
    (blob,) = await projects.reserve(begun.save_id, FILES)
    made = "SELECT save_id::text, lease_expires_at FROM blobs WHERE id = %s"
    assert projects.world.logins.rows(made, blob.id) == [(begun.save_id, None)]
    await projects.world.cleaning.claim(500)
    assert projects.world.state(blob) == PENDING
    await projects.abandon(begun.save_id)
    assert projects.world.state(blob) == ABORTING


def _let_keys_expire(projects: Projects) -> None:
    projects.world.logins.change(
        "UPDATE idempotency_keys SET expires_at = now() - interval '1 s' WHERE owner_id = %s", projects.owner
    )
