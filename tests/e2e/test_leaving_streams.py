"""Watchers are notified when the gateway stops, and continue at the next gateway without missing an event."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.test_notifications import PATH, over_sse, over_websocket, store
from tests.stack import RunningStack, until


def test_streams_end_cleanly_and_go_on(stack: RunningStack, http: httpx.Client, user: str) -> None:
    before = stack.pid("gateway")
    url = stack.url.replace("http", "ws", 1) + f"{PATH}/ws"
    headers = {"authorization": f"Bearer {stack.token(user)}"}
    with ExitStack() as open_:
        reply = open_.enter_context(open_.enter_context(stack.http(user)).stream("GET", PATH))
        socket = open_.enter_context(connect(url, additional_headers=headers, proxy=None))
        first = store(http)
        last = json.loads(socket.recv(timeout=60))
        assert last["data"]["key"] == first
        os.kill(before, signal.SIGTERM)
        events = _blocks(reply.read().decode())  # a regular end of the answer, not an abort
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012  # "service restart"
    assert events[-2]["id"] == last["id"]
    end = events[-1]
    assert (end["event"], json.loads(end["data"])["code"], "id" in end) == (
        "end",
        "SERVICE_UNAVAILABLE",
        False,
    )
    until("another gateway runs", lambda: stack.pid("gateway") != before)
    stack.wait_ready()
    with stack.http(user) as anew:  # the connections of `http` ended with their gateway
        second = store(anew)
    for door in (over_sse, over_websocket):
        with door(stack, user, last["id"]) as missed:
            assert next(missed)["data"]["key"] == second


def _blocks(text: str) -> list[dict[str, Any]]:
    """Messages of an event stream, heartbeats left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append(fields)
    return found
