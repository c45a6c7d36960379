"""Safe uploads are retried as one request; others give the reason why not."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, RetryPolicy
from tests.integration.sdk.conftest import QUICK
from tests.integration.sdk.fakes.server import Fakes, running
from tests.integration.sdk.fakes.state import Fault, State, token

MIB = 1024 * 1024
DATA = bytes(range(256)) * 12_000
GONE = errors.ServiceUnavailable("gone for a moment")


def request_ids(state: State) -> set[str]:
    return {request_id for _, request_id in state.replies}


async def test_a_break_in_the_middle_is_tried_again(client: AsyncClient, state: State) -> None:
    state.upload_faults = [
        Fault(GONE, after_bytes=2 * MIB),
        Fault(errors.Overloaded("busy", retry_after=0.01)),
        None,
    ]
    seen: list[int] = []
    file = await client.upload(DATA, on_progress=lambda done, _total: seen.append(done))
    assert state.stored[file.id].data == DATA
    assert state.calls.count("Upload") == 3
    assert seen[-1] == len(DATA)
    assert seen != sorted(seen)


async def test_a_lost_answer_gives_the_file_that_was_stored(client: AsyncClient, state: State) -> None:
    state.upload_faults = [Fault(GONE, after_commit=True)]
    file = await client.upload(DATA)
    assert list(state.stored) == [file.id]
    assert state.calls.count("Upload") == 2
    assert len(request_ids(state)) == 1


async def test_the_same_request_id_stores_once(client: AsyncClient, state: State) -> None:
    files = [await client.upload(DATA, request_id="import-7") for _ in range(3)]
    assert len({file.id for file in files}) == len(state.stored) == 1
    assert request_ids(state) == {"import-7"}


async def test_every_upload_has_a_request_id_of_its_own(client: AsyncClient, state: State) -> None:
    for _ in range(3):
        await client.upload(b"same")
    assert len(request_ids(state)) == 3


async def test_an_attempt_that_still_runs_is_waited_for(
    client: AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    busy = Fault(errors.RequestInProgress("still running", retry_after=3.0))
    state.upload_faults = [Fault(GONE, after_bytes=MIB), *[busy] * 9, None]
    file = await client.upload(DATA)
    assert list(state.stored) == [file.id]
    assert len(pauses) == 10
    assert all(pause >= 3.0 for pause in pauses[1:])


@pytest.mark.parametrize(
    "error",
    [
        errors.QuotaExceeded("full"),
        errors.ContentTypeMismatch("no"),
        errors.Internal("bug"),
        errors.VersionConflict("moved on"),
        errors.IdempotencyKeyReused("other request"),
        errors.BucketMissing("no bucket"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_another_attempt_would_not_change_is_final(
    error: errors.StrongroomError, client: AsyncClient, state: State
) -> None:
    state.upload_faults = [Fault(error)]
    with pytest.raises(type(error)):
        await client.upload(DATA)
    assert state.calls.count("Upload") == 1


async def test_attempts_end(client: AsyncClient, state: State) -> None:
    state.upload_faults = [Fault(GONE)] * 50
    with pytest.raises(errors.ServiceUnavailable, match="gone for a moment"):
        await client.upload(DATA)
    assert state.calls.count("Upload") == QUICK.attempts
    assert state.stored == {}


async def test_retries_can_be_off(fakes: Fakes) -> None:
    fakes.state.upload_faults = [Fault(GONE)]
    policy = RetryPolicy(attempts=1)
    async with AsyncClient(
        fakes.storage_address, fakes.metadata_address, token=token(), retry=policy
    ) as client:
        with pytest.raises(errors.ServiceUnavailable):
            await client.upload(DATA)
    assert fakes.state.calls == ["Upload"]


class Pipe(io.BytesIO):
    """A source that can't seek."""

    def seekable(self) -> bool:
        return False


def once() -> Iterator[bytes]:
    yield DATA


@pytest.mark.parametrize("source", [Pipe(DATA), once()], ids=["pipe", "generator"])
async def test_a_source_that_can_be_read_once_is_not_sent_again_and_says_so(
    source: object, client: AsyncClient, state: State
) -> None:
    state.upload_faults = [Fault(GONE, after_bytes=MIB)]
    with pytest.raises(errors.ServiceUnavailable) as caught:
        await client.upload(source)  # type: ignore[arg-type]
    assert state.calls.count("Upload") == 1
    assert any("can't be read a second time" in note for note in caught.value.__notes__)


async def test_a_source_that_can_be_read_once_waits_for_a_service_that_is_not_up_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    real_sleep = asyncio.sleep
    with ExitStack() as started:
        fakes: list[Fakes] = []

        async def start(_seconds: float) -> None:
            if not fakes:
                fakes.append(started.enter_context(running(storage_port=port)))
            await real_sleep(0.1)  # the channel has a back-off of its own

        monkeypatch.setattr(asyncio, "sleep", start)
        async with AsyncClient(
            f"127.0.0.1:{port}", "127.0.0.1:1", token=token(), retry=RetryPolicy(attempts=600, max_wait=1e9)
        ) as client:
            file = await client.upload(once(), timeout=60)
        assert fakes[0].state.stored[file.id].data == DATA


async def test_a_file_object_is_sent_again_from_where_it_stood(client: AsyncClient, state: State) -> None:
    state.upload_faults = [Fault(GONE, after_bytes=MIB)]
    file_object = io.BytesIO(b"header" + DATA)
    file_object.seek(6)
    file = await client.upload(file_object)
    assert state.stored[file.id].data == DATA


async def test_an_expired_token_is_renewed(fakes: Fakes) -> None:
    tokens = iter([token(lifetime=-10), token()])
    async with AsyncClient(
        fakes.storage_address, fakes.metadata_address, token=lambda: next(tokens)
    ) as client:
        file = await client.upload(DATA)
    assert fakes.state.stored[file.id].data == DATA


async def test_a_refused_fixed_token_is_told(fakes: Fakes) -> None:
    async with AsyncClient(fakes.storage_address, fakes.metadata_address, token="nonsense") as client:
        with pytest.raises(errors.TokenInvalid) as caught:
            await client.upload(DATA)
    assert caught.value.metadata == {"claim": "signature"}
    assert fakes.state.calls == ["Upload"]
