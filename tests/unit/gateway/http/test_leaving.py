"""Requests whose client leaves; event streams end with the process, also those about to begin."""

from __future__ import annotations

import asyncio

import pytest

from gateway.http.leaving import Client, Draining
from gateway.http.problems import ClientGone


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_work_is_cancelled_at_once() -> None:
    client, task = Client(), asyncio.create_task(wait_for_ever())
    asyncio.get_running_loop().call_soon(client.leave)
    with pytest.raises(ClientGone), client.cancels(task):
        await task
    assert task.cancelled()


async def test_work_for_a_client_that_has_left() -> None:
    client, task = Client(), asyncio.create_task(wait_for_ever())
    client.leave()
    with pytest.raises(ClientGone), client.cancels(task):
        await task


async def test_other_cancellations_stay_what_they_are() -> None:
    client, task = Client(), asyncio.create_task(wait_for_ever())
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError), client.cancels(task):
        await task


async def test_errors_and_results_pass() -> None:
    client = Client()
    with pytest.raises(KeyError), client.cancels(asyncio.get_running_loop().create_future()) as watching:
        raise KeyError
    assert watching is not None
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done.set_result(1)
    with client.cancels(done):
        assert await done == 1
    client.leave()


def test_who_asks_too_late_is_told_at_once() -> None:
    client, told = Client(), list[int]()
    client.leave()

    def tell() -> None:
        told.append(1)

    client.add(tell)
    assert told == [1]
    client.remove(tell)


def test_a_stream_that_begins_after_the_end_ends_at_once() -> None:
    draining, ended = Draining(), []
    with draining.endless(lambda: ended.append("early")):
        assert ended == []
        draining.end_streams()
        assert ended == ["early"]
    with draining.endless(lambda: ended.append("late")):
        assert ended == ["early", "late"]
