"""A user's events over server-sent events and over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.chromium import open_page
from tests.e2e.pages import Pages
from tests.integration.importing.origin import Origin, answer
from tests.stack import RunningStack, until

MIB: Final = 1 << 20
PATH: Final = "/api/notifications"
TUS: Final = {"Tus-Resumable": "1.0.0"}
Events = Iterator[dict[str, Any]]


@contextmanager
def over_sse(stack: RunningStack, user: str, last: str = "") -> Iterator[Events]:
    """GET /api/notifications."""
    headers = {"Last-Event-ID": last} if last else {}
    with stack.http(user) as client, client.stream("GET", PATH, headers=headers) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"] == "text/event-stream"
        yield _sse(reply.iter_lines())


def _sse(lines: Iterator[str]) -> Events:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
            continue
        if "data" in fields:
            event = json.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (event["id"], event["type"])
            yield event
        fields = {}


@contextmanager
def over_websocket(stack: RunningStack, user: str, last: str = "") -> Iterator[Events]:
    """/api/notifications/ws, with the token as pages send it."""
    url = stack.url.replace("http", "ws", 1) + f"{PATH}/ws" + (f"?last_event_id={last}" if last else "")
    protocols = ["strongroom", f"bearer.{stack.token(user)}"]
    with connect(url, subprotocols=protocols, proxy=None) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == "strongroom"
        yield (json.loads(socket.recv(timeout=60)) for _ in iter(int, 1))


DOORS = [over_sse, over_websocket]
Door = Callable[..., Any]


def until_seen(events: Events, kind: str) -> list[dict[str, Any]]:
    """Events up to the first of a kind."""
    seen = []
    for event in events:
        seen.append(event)
        if event["type"] == kind:
            return seen
    raise AssertionError(f"the stream ended without {kind}")


@pytest.mark.parametrize("door", DOORS)
def test_progress_of_an_upload(stack: RunningStack, http: httpx.Client, user: str, door: Door) -> None:
    with door(stack, user) as events:
        url = http.post("/files", headers={**TUS, "Upload-Length": str(2 * MIB)}).headers["location"]
        for offset in (0, MIB):
            headers = {
                **TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream",
            }  # fmt: skip
            assert http.patch(url, headers=headers, content=bytes(MIB)).status_code == 204
        seen = until_seen(events, "file_ready")
    progress = [event for event in seen if event["type"] == "upload_progress"]
    upload_id = url.rpartition("/")[2]
    assert {event["subject_id"] for event in progress} == {upload_id}
    assert progress[0]["data"] == {"upload_id": upload_id, "persisted_size": MIB, "size_bytes": 2 * MIB}
    assert [event["id"] for event in seen] == sorted({event["id"] for event in seen}, key=_position)
    assert seen[-1]["data"]["size_bytes"] == 2 * MIB


@pytest.mark.parametrize("door", DOORS)
def test_what_happens_to_files_and_projects(
    stack: RunningStack, http: httpx.Client, user: str, door: Door
) -> None:
    with door(stack, user) as events:
        key = store(http)
        http.delete(f"/api/v1/s3/file/{key}")
        project = {"name": "n", "slug": "s", "files": [{"path": "a", "content": "b"}]}
        assert http.post("/api/projects/save", json=project).status_code == 200
        heard = until_seen(events, "project_saved")
    # On a slow machine the save also reports its progress.
    seen = [event for event in heard if event["type"] != "project_save_progress"]
    assert [event["type"] for event in seen] == ["file_ready", "file_deleted", "project_saved"]
    assert [event["data"]["key"] for event in seen[:2]] == [key, key]


@pytest.mark.parametrize("door", DOORS)
def test_an_import_that_fails(
    stack: RunningStack, http: httpx.Client, user: str, origin: Origin, door: Door
) -> None:
    gone = origin.script(user, answer(b"", status=404))
    text = origin.script(f"{user}-text", answer(b"no picture at all", kind="text/plain"))
    with door(stack, user) as events:
        for url in (f"{gone}?signature=secret", text):
            refused = http.post("/api/generations", json={"url": url, "type": "text-to-image"})
            (event,) = until_seen(events, "import_failed")
            told = event["data"]
            assert (told["code"], told["message"]) == (refused.json()["code"], refused.json()["detail"])
            assert told["url"] == url.partition("?")[0]


def test_each_of_a_batch(stack: RunningStack, http: httpx.Client, user: str, origin: Origin) -> None:
    gone = origin.script(user, answer(b"", status=404))
    good = origin.script(f"{user}-good", answer(samples.png()))
    with over_sse(stack, user) as events:
        items = [{"url": url, "type": "text-to-image"} for url in (gone, good)]
        http.post("/api/generations/batch", json={"items": items})
        heard = dict[str, dict[str, Any]]()
        while heard.keys() != {"import_failed", "file_ready", "file_described"}:
            event = next(events)
            heard[event["type"]] = event
    ready, described = heard["file_ready"], heard["file_described"]
    assert described["subject_id"] == ready["subject_id"]
    assert described["data"] == {**ready["data"], **described["data"]}
    assert (described["data"]["width"], described["data"]["height"]) == (8, 8)


@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_missed_between_two_connections(
    stack: RunningStack, http: httpx.Client, user: str, door: Door
) -> None:
    with door(stack, user) as events:
        store(http)
        last = next(events)["id"]
    keys = [store(http) for _ in range(3)]
    with door(stack, user, last) as events:
        keys.append(store(http))
        assert [next(events)["data"]["key"] for _ in keys] == keys


def test_others_hear_nothing(stack: RunningStack, http: httpx.Client, user: str) -> None:
    other = f"{user}-other"
    with over_sse(stack, other) as events, stack.http(other) as client:
        store(http)
        key = store(client)
        assert next(events)["data"]["key"] == key


def test_a_page_opens_its_stream_with_a_ticket(stack: RunningStack, http: httpx.Client, user: str) -> None:
    made = http.post(f"{PATH}/ticket")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    ticket = made.json()["ticket"]
    assert made.json()["expires_in_seconds"] == 60
    anybody = httpx.Client(base_url=stack.url, timeout=60, trust_env=False, verify=False)
    with anybody, anybody.stream("GET", PATH, params={"ticket": ticket}) as reply:
        assert reply.status_code == 200
        key = store(http)
        assert next(_sse(reply.iter_lines()))["data"]["key"] == key
    url = stack.url.replace("http", "ws", 1) + f"{PATH}/ws?ticket={ticket}"
    with connect(url, proxy=None) as socket:
        key = store(http)
        assert json.loads(socket.recv(timeout=60))["data"]["key"] == key


def test_a_ticket_opens_streams_only(stack: RunningStack, http: httpx.Client) -> None:
    ticket = http.post(f"{PATH}/ticket").json()["ticket"]
    assert httpx.post(f"{stack.url}{PATH}/ticket", trust_env=False).status_code == 401
    for path in ("/api/v1/s3/files", f"{PATH}/ticket", "/api/projects"):
        method = "POST" if path.endswith("ticket") else "GET"
        reply = httpx.request(method, stack.url + path, params={"ticket": ticket}, trust_env=False)
        assert reply.json()["code"] == "TOKEN_MISSING", path
    for wrong in (f"x{ticket}", ticket[:-8], "", "made-up"):
        reply = httpx.get(stack.url + PATH, params={"ticket": wrong}, trust_env=False)
        assert (reply.status_code, reply.json()["code"]) == (401, "TOKEN_INVALID")


def test_a_stream_that_breaks_before_its_first_event_goes_on_where_it_began(
    stack: RunningStack, http: httpx.Client, user: str
) -> None:
    """An EventSource reconnects with a lone id (WHATWG HTML section 9.2.6)."""
    with stack.http(user) as client, client.stream("GET", PATH) as reply:
        place = next(line for line in reply.iter_lines() if line.startswith("id: "))
    key = store(http)
    with over_sse(stack, user, place.removeprefix("id: ")) as events:
        assert next(events)["data"]["key"] == key


def test_event_source_of_a_browser(
    stack: RunningStack, http: httpx.Client, pages: Pages, tmp_path: Path
) -> None:
    ticket = http.post(f"{PATH}/ticket").json()["ticket"]
    script = f"""
        const source = new EventSource('{stack.url}{PATH}?ticket={ticket}');
        source.onopen = () => document.title = 'open';
        source.addEventListener('file_ready', event => document.title = JSON.parse(event.data).data.key);
    """
    (pages.folder / "events.html").write_text(f"<!doctype html><title>-</title><script>{script}</script>")
    with open_page(f"{pages.origin}/events.html") as page:
        until("the stream is open", lambda: page.value("document.title") == "open")
        key = store(http)
        until("the page hears of the file", lambda: page.value("document.title") == key)


def test_refusals_come_before_the_stream(stack: RunningStack, http: httpx.Client, user: str) -> None:
    assert http.get(PATH, headers={"Last-Event-ID": "nonsense"}).status_code == 422
    assert http.get(PATH, params={"user_id": "somebody"}).status_code == 403
    url = stack.url.replace("http", "ws", 1) + f"{PATH}/ws"
    for query, token, status in (("", "", 401), ("?last_event_id=nonsense", stack.token(user), 422)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with pytest.raises(InvalidStatus) as refused:
            connect(url + query, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == status


def store(http: httpx.Client) -> str:
    """Store a file. Returns its key."""
    reply = http.post("/api/v1/s3/upload", files=upload(b"x", "a.bin", "application/octet-stream"))
    assert reply.status_code == 201, reply.text
    key: str = reply.json()["key"]
    return key


def _position(event_id: str) -> tuple[int, int]:
    xid, number, _ = map(int, event_id.split("-"))
    return xid, number
