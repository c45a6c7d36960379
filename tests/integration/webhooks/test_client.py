"""``client.webhooks`` and ``strongroom webhooks`` against a real stack."""

from __future__ import annotations

import json
import os

import pytest

from strongroom import Client
from strongroom.errors import InvalidField, PermissionDenied, WebhookNotFound
from tests.forks import programs
from tests.integration.webhooks.receiver import Receiver, documented_verify
from tests.stack import RunningStack, clean_environ, until


def test_the_client(hook_stack: RunningStack, receiver: Receiver, name: str) -> None:
    state = hook_stack.state
    addresses = state["storage"]["address"], state["metadata"]["address"]
    with Client(*addresses, token=hook_stack.token(name)) as client:
        made = client.webhooks.create(receiver.url(name, 400, 400, 400, 204), types=["file_ready"])
        assert made.secret.startswith("whsec_")
        assert [one.id for one in client.webhooks.list()] == [made.id]
        client.webhooks.test(made.id)
        [dead] = until("it is dead", lambda: list(client.webhooks.deliveries(made.id, state="dead")))
        assert (dead.event.type, dead.tries) == ("webhook-ping", 3)
        rotated = client.webhooks.rotate_secret(made.id, overlap=0)
        assert client.webhooks.replay(made.id) == 1
        until("it has arrived", lambda: client.webhooks.get(made.id).delivered == 1)
        got = receiver.got(name)[-1]
        documented_verify()(rotated.secret, got.headers, got.body)
        assert client.webhooks.update(made.id, paused=True).state == "paused"
        with pytest.raises(InvalidField, match="is not an event type"):
            client.webhooks.create(receiver.url(name), types=["file_gone"])
        with pytest.raises(PermissionDenied):
            list(client.webhooks.of_all_users().list())
        client.webhooks.delete(made.id)
        with pytest.raises(WebhookNotFound):
            client.webhooks.get(made.id)


@pytest.mark.usefixtures("forking")
def test_the_command_line(hook_stack: RunningStack, name: str) -> None:
    state = hook_stack.state
    env = clean_environ(os.environ) | {
        "STRONGROOM_STORAGE_ADDRESS": state["storage"]["address"],
        "STRONGROOM_METADATA_ADDRESS": state["metadata"]["address"],
        "STRONGROOM_TOKEN": hook_stack.token(name),
    }

    def run(*argv: str) -> str:
        done = programs.run(["strongroom.cli", "webhooks", *argv], env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    webhook, secret = run("create", "https://hooks.example.com/in", "--family", "generation").split()
    assert secret.startswith("whsec_")
    assert webhook in run("list")
    assert "paused" in run("update", webhook, "--pause")
    ping = json.loads(run("test", webhook, "--json"))
    assert ping["state"] == "pending"
    assert ping["id"] in run("deliveries", webhook)
    assert "removed" in run("rm", webhook, "--yes")
