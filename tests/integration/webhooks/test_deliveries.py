"""Webhooks of a whole stack: what arrives, signed, in order and on retry, and what does not."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from devstack import infra
from metadata_service.webhooks.secrets import Secret, signature
from tests.integration.webhooks.conftest import FAST
from tests.integration.webhooks.receiver import Receiver, documented_verify
from tests.shared_stack import shared_stack
from tests.stack import RunningStack, until


def make(http: httpx.Client, url: str, **more: Any) -> dict[str, Any]:
    reply = http.post("/api/webhooks", json={"url": url, **more})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


def stored(http: httpx.Client, filename: str = "a.txt") -> str:
    """The key of a new file."""
    reply = http.post("/api/v1/s3/upload", data={"folder": "uploads"}, files={"file": (filename, b"hello")})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["key"])


def bodies(receiver: Receiver, name: str) -> list[dict[str, Any]]:
    return [json.loads(got.body) for got in receiver.got(name)]


def test_the_vector_of_the_specification() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature([Secret(key)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_file_is_told_of_signed(http: httpx.Client, receiver: Receiver, name: str) -> None:
    made = make(http, receiver.url(name))
    stored(http)
    [got] = until("it has arrived", lambda: receiver.got(name))
    verify = documented_verify()
    verify(made["secret"], got.headers, got.body)
    with pytest.raises(ValueError, match="not from"):
        verify(made["secret"], got.headers, got.body + b" ")
    body = json.loads(got.body)
    assert (body["type"], body["user_id"], body["data"]["filename"]) == ("file_ready", name, "a.txt")
    path = f"/api/webhooks/{made['id']}"
    until("it is recorded", lambda: http.get(path).json()["delivered"] == 1)
    shown = http.get(path).json()
    assert "secret" not in shown
    assert shown["state"] == "active"


def test_events_of_a_file_come_in_order_whatever_fails(
    http: httpx.Client, receiver: Receiver, name: str
) -> None:
    make(http, receiver.url(name, 500, 204))
    key = stored(http)
    assert http.delete(f"/api/v1/s3/file/{key}").status_code in {200, 204}
    until("all have arrived", lambda: len(receiver.got(name)) == 3)
    assert [body["type"] for body in bodies(receiver, name)] == ["file_ready", "file_ready", "file_deleted"]
    ids = [got.headers["webhook-id"] for got in receiver.got(name)]
    assert ids[0] == ids[1] != ids[2]


def test_a_dead_letter_is_listed_and_replayed(http: httpx.Client, receiver: Receiver, name: str) -> None:
    made = make(http, receiver.url(name, 400, 400, 400, 204))
    stored(http)
    path = f"/api/webhooks/{made['id']}"
    [dead] = until("it is dead", lambda: http.get(f"{path}/deliveries?state=dead").json()["deliveries"])
    assert (dead["tries"], dead["status"], dead["failure"]) == (3, 400, "the target answers 400")
    assert http.post(f"{path}/replay", json={"dead": True}).json() == {"replayed": 1}
    until("it has arrived", lambda: http.get(path).json()["delivered"] == 1)
    assert {got.headers["webhook-id"] for got in receiver.got(name)} == {dead["id"]}


def test_a_redirect_is_not_followed(http: httpx.Client, receiver: Receiver, name: str) -> None:
    made = make(http, receiver.url(name, 307))
    assert http.post(f"/api/webhooks/{made['id']}/test").status_code == 202
    path = f"/api/webhooks/{made['id']}/deliveries?state=dead"
    [dead] = until("it is dead", lambda: http.get(path).json()["deliveries"])
    assert dead["event"]["type"] == "webhook_ping"
    assert "redirects are not followed" in dead["failure"]
    assert receiver.got("elsewhere") == []


@pytest.mark.parametrize("host", ["localhost", "2130706433", "127.1", "0x7f000001", "0"])
def test_what_names_this_machine_is_not_taken(http: httpx.Client, name: str, host: str) -> None:
    reply = http.post("/api/webhooks", json={"url": f"http://{host}:8080/{name}"})
    assert (reply.status_code, reply.json()["code"]) == (422, "INVALID_FIELD"), reply.text


def test_both_secrets_verify_after_a_rotation(http: httpx.Client, receiver: Receiver, name: str) -> None:
    made = make(http, receiver.url(name))
    rotated = http.post(f"/api/webhooks/{made['id']}/secret", json={"overlap_seconds": 600}).json()
    http.post(f"/api/webhooks/{made['id']}/test")
    [got] = until("it has arrived", lambda: receiver.got(name))
    for secret in (made["secret"], rotated["secret"]):
        documented_verify()(secret, got.headers, got.body)


def test_admins_hear_of_all_users(
    hook_stack: RunningStack, http: httpx.Client, receiver: Receiver, name: str
) -> None:
    refused = http.post("/api/admin/webhooks", json={"url": receiver.url(name)})
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    with hook_stack.http(f"root-{name}", roles=["admin"]) as root:
        reply = root.post("/api/admin/webhooks", json={"url": receiver.url(name), "types": ["file_ready"]})
        assert reply.status_code == 201, reply.text
        stored(http)
        until("it has arrived", lambda: name in {body["user_id"] for body in bodies(receiver, name)})
        assert root.delete(f"/api/admin/webhooks/{reply.json()['id']}").status_code == 204


def test_who_dies_between_sending_and_recording_sends_again(
    servers: infra.Infra, receiver: Receiver, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = FAST | {
        "STRONGROOM_IMPORT_ALLOW_HOSTS": receiver.authority,
        "STRONGROOM_WEBHOOK_TIMEOUT_SECONDS": "1",
        "STRONGROOM_FAILPOINTS": "storage.webhook.after_send=kill@2",
    }
    with (
        shared_stack(servers, tmp_path_factory.mktemp("killed") / "data", env) as stack,
        stack.http(name) as http,
    ):
        path = f"/api/webhooks/{make(http, receiver.url(name))['id']}"
        http.post(f"{path}/test")
        until("the first is recorded", lambda: http.get(path).json()["delivered"] == 1)
        http.post(f"{path}/test")
        until("it was sent twice", lambda: len(receiver.got(name)) == 3)
        stack.wait_up()
        until("it is recorded", lambda: http.get(path).json()["delivered"] == 2)
        first, second, third = (got.headers["webhook-id"] for got in receiver.got(name))
        assert first != second == third
