"""A service's answer during a body reaches the client, on every upload route."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from strongroom.errors import QuotaExceeded
from tests.integration.gateway.harness import Running, form
from tests.integration.gateway.raw import Answer, connect, head
from tests.integration.gateway.tus_calls import BYTES, create

MIB = 1024 * 1024
SIZE = 4 * MIB
TRIES = 12
REFUSAL = QuotaExceeded("The quota of 10 bytes is used up.", metadata={"limit": "10", "used": "10"})

Request = tuple[str, str, dict[str, str], bytes]
Door = Callable[[str], Request]


def by_form(_: str) -> Request:
    body, headers = form(bytes(SIZE), before={"folder": "uploads"})
    return "POST", "/api/v1/s3/upload", headers, body


def by_tus(url: str) -> Request:
    return "PATCH", url, {**BYTES, "Upload-Offset": "0"}, bytes(SIZE)


def by_tree(_: str) -> Request:
    files = [{"path": f"{number}.txt", "content": "x" * MIB} for number in range(SIZE // MIB)]
    body = json.dumps({"name": "n", "slug": "s", "files": files}).encode()
    return "POST", "/api/projects/save", {"Content-Type": "application/json"}, body


def by_archive(_: str) -> Request:
    return "POST", "/api/projects/s/archive", {"Content-Type": "application/zip"}, bytes(SIZE)


DOORS = [by_form, by_tus, by_tree, by_archive]


async def send(gateway: Running, door: Door, share: int) -> Answer:
    """Send one part in ``share`` of the body, and wait for a response."""
    url = await create(gateway, SIZE) if door is by_tus else ""
    method, path, headers, body = door(url.removeprefix(f"http://{gateway.address}"))
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    async with connect(gateway) as connection:
        await connection.send(
            head(method, path, Content_Length=str(len(body)), **named) + body[: len(body) // share]
        )
        return await connection.answer()


@pytest.mark.parametrize("door", DOORS)
async def test_a_refusal_does_not_wait_for_the_rest_of_the_body(gateway: Running, door: Door) -> None:
    faults = gateway.backends.storage.faults
    faults.error, faults.fail_after = REFUSAL, MIB
    answer = await send(gateway, door, 2)
    assert (answer.status, answer.problem["detail"]) == (413, REFUSAL.message)


@pytest.mark.parametrize("door", DOORS)
async def test_a_refusal_in_the_middle_is_always_told_as_what_it_is(gateway: Running, door: Door) -> None:
    faults = gateway.backends.storage.faults
    told = set()
    for number in range(TRIES):
        faults.error, faults.fail_after = REFUSAL, 1 + number % 3 * MIB
        answer = await send(gateway, door, 1)
        told.add((answer.status, answer.problem["code"]))
    assert told == {(413, "QUOTA_EXCEEDED")}
