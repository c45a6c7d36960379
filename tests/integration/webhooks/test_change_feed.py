"""The events of all users, for admins: over gRPC by the client, and as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from strongroom import Client
from strongroom.errors import PermissionDenied
from tests.e2e.shapes import check_problem
from tests.integration.webhooks.test_deliveries import stored
from tests.stack import RunningStack


def addresses(stack: RunningStack) -> tuple[str, str]:
    state = stack.state
    return state["storage"]["address"], state["metadata"]["address"]


def sent(reply: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in reply.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line[5:])


def test_an_admin_hears_of_everybody(hook_stack: RunningStack, name: str) -> None:
    users = [f"{name}-{number}" for number in range(3)]
    token = hook_stack.token(f"root-{name}", roles=["admin"])
    with hook_stack.http(f"root-{name}", roles=["admin"]) as root:
        with root.stream("GET", "/api/admin/events", params={"users": ",".join(users)}) as reply:
            assert reply.headers["content-type"] == "text/event-stream"
            for user in users:
                with hook_stack.http(user) as http:
                    stored(http)
            events = sent(reply)
            heard = [next(events) for _ in users]
        assert [event["user_id"] for event in heard] == users
        assert {event["type"] for event in heard} == {"file_ready"}
        params = {"users": ",".join(users), "last_event_id": heard[0]["id"], "types": "file_ready"}
        with root.stream("GET", "/api/admin/events", params=params) as reply:
            events = sent(reply)
            assert [next(events)["id"] for _ in users[1:]] == [event["id"] for event in heard[1:]]
    with Client(*addresses(hook_stack), token=token) as client:
        feed = client.admin.watch(heard[0]["id"], user_ids=users, families=["file"])
        assert [next(feed).user_id for _ in users[1:]] == users[1:]


def test_nobody_else_does(hook_stack: RunningStack, http: httpx.Client, name: str) -> None:
    check_problem(http.get("/api/admin/events"), 403, "PERMISSION_DENIED")
    with (
        Client(*addresses(hook_stack), token=hook_stack.token(name)) as client,
        pytest.raises(PermissionDenied),
    ):
        next(client.admin.watch())


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"types": "file_gone"}, "types"),
        ({"families": "files"}, "families"),
        ({"last_event_id": "x"}, "last_event_id"),
        ({"kind": "file_ready"}, "kind"),
    ],
)
def test_what_is_no_filter(hook_stack: RunningStack, name: str, params: dict[str, str], field: str) -> None:
    with hook_stack.http(f"root-{name}", roles=["admin"]) as root:
        problem = check_problem(root.get("/api/admin/events", params=params), 422, "INVALID_FIELD")
        assert field in json.dumps(problem)


def test_what_is_too_old(hook_stack: RunningStack, name: str) -> None:
    with hook_stack.http(f"root-{name}", roles=["admin"]) as root:
        reply = root.get("/api/admin/events", params={"last_event_id": "1-1-1000000000"})
        assert reply.json()["code"] == "OFFSET_OUT_OF_RANGE"
