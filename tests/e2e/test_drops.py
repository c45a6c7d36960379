"""Drops: guests upload files, and see none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import Belongings
from tests.e2e.shapes import check_problem
from tests.stack import RunningStack

HTML = {"accept": "text/html"}
Make = Callable[..., str]
Files = list[tuple[str, tuple[str, bytes, str]]]


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    return Belongings(user, http)


@pytest.fixture
def guest(stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def make(owner: Belongings) -> Make:
    """The path of a new drop."""

    def make(title: str = "", password: str = "", **rules: Any) -> str:
        body = {"drop": rules, "title": title} | ({"password": password} if password else {})
        reply = owner.http.post("/api/v1/shares", json=body)
        assert reply.status_code == 201, reply.text
        path: str = urlsplit(reply.json()["url"]).path
        return path

    return make


def form(*files: tuple[str, bytes, str]) -> Files:
    return [("file", file) for file in files]


def rules_now(owner: Belongings) -> dict[str, Any]:
    found: dict[str, Any] = owner.http.get("/api/v1/shares").json()["shares"][0]["drop"]
    return found


def test_several_files_land_with_the_owner(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(title="Send me", event_id=owner.event_id)
    page = guest.get(path, headers=HTML)
    assert 'enctype="multipart/form-data"' in page.text
    assert "multiple" in page.text
    sent = guest.post(
        f"{path}/files",
        files=form(("a.png", samples.png(), "image/png"), ("b.jpg", samples.jpeg(), "image/jpeg")),
    )
    assert sent.status_code == 201, sent.text
    assert sent.json() == {
        "files": [
            {"name": "a.png", "stored": True, "size": len(samples.png()), "content_type": "image/png"},
            {"name": "b.jpg", "stored": True, "size": len(samples.jpeg()), "content_type": "image/jpeg"},
        ]
    }
    media = owner.http.get(f"/api/v1/events/{owner.event_id}/media").json()["items"]
    assert sorted(item["file_size"] for item in media) == sorted([len(samples.png()), len(samples.jpeg())])
    assert rules_now(owner)["files"] == 2
    assert rules_now(owner)["bytes"] == len(samples.png()) + len(samples.jpeg())
    assert guest.get(path).json()["files"] == []
    check_problem(guest.get(f"{path}/file/{media[0]['id']}"), 404, "FILE_NOT_FOUND")
    check_problem(guest.get(f"{path}/archive"), 404, "FILE_NOT_FOUND")


def test_names_never_meet(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(path="in/coming")
    names = [
        "same.txt",
        "same.txt",
        "../../up.txt",
        "a/b\\c.txt",
        "né €.txt",
        "x" * 200 + ".txt",
        "...",
        "<b>.txt",
    ]
    for name in names:
        sent = guest.post(f"{path}/files", files=form((name, b"hello", "text/plain")))
        assert sent.status_code == 201, (name, sent.text)
    found = owner.http.get("/api/v1/s3/files", params={"prefix": f"paths/{owner.name}/in/coming/"}).json()[
        "files"
    ]
    assert len(found) == len(names)
    assert all(file["key"].count("/") == 4 for file in found)
    page = guest.post(f"{path}/files", files=form(("<img src=x>.txt", b"x", "text/plain")), headers=HTML)
    assert page.status_code == 201
    assert "<img" not in page.text


def test_its_rules_hold(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(folder="uploads", content_types=["image/*"], max_file_bytes=len(samples.png()))
    png, jpeg = ("a.png", samples.png(), "image/png"), ("b.jpg", samples.jpeg(), "image/jpeg")
    for bad, code in (
        (("a.txt", b"hello", "text/plain"), "CONTENT_TYPE_NOT_ALLOWED"),
        (("a.png", b"MZ\x90\x00" + b"x" * 40, "image/png"), "CONTENT_TYPE_NOT_ALLOWED"),
        (("a.png", samples.png() + b"x", "image/png"), "SIZE_LIMIT_EXCEEDED"),
    ):
        reply = guest.post(f"{path}/files", files=form(bad))
        assert reply.json()["code"] == code, reply.text
        assert reply.status_code in {413, 422}
    mixed = guest.post(f"{path}/files", files=form(("a.txt", b"no", "text/plain"), png, jpeg)).json()["files"]
    assert [file["stored"] for file in mixed] == [False, True, len(samples.jpeg()) <= len(samples.png())]
    assert mixed[0]["code"] == "CONTENT_TYPE_NOT_ALLOWED"
    assert rules_now(owner)["files"] == sum(file["stored"] for file in mixed)
    families = make(folder="documents")
    check_problem(guest.post(f"{families}/files", files=form(png)), 422, "CONTENT_TYPE_NOT_ALLOWED")


def test_it_is_never_overfilled(owner: Belongings, make: Make, stack: RunningStack) -> None:
    path = make(folder="uploads", max_files=5, max_bytes=60)

    def send(number: int) -> int:
        with httpx.Client(base_url=stack.url, trust_env=False, timeout=60) as client:
            return client.post(
                f"{path}/files", files=form((f"{number}.txt", b"0123456789", "text/plain"))
            ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(12)))
    assert statuses.count(201) == 5
    assert set(statuses) == {201, 413}
    assert (rules_now(owner)["files"], rules_now(owner)["bytes"]) == (5, 50)
    assert len(owner.http.get("/api/v1/s3/files").json()["files"]) == 5


def test_bytes_are_bounded(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(folder="uploads", max_bytes=25)
    text = ("a.txt", b"0123456789", "text/plain")
    assert guest.post(f"{path}/files", files=form(text, text)).status_code == 201
    reply = guest.post(f"{path}/files", files=form(text))
    assert check_problem(reply, 413, "DROP_FULL")["metadata"] == {"rule": "bytes"}
    assert rules_now(owner)["bytes"] == 20


def test_locked_revoked_and_no_drop(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    text = form(("a.txt", b"x", "text/plain"))
    path = make(folder="uploads", password="p")
    check_problem(guest.post(f"{path}/files", files=text), 403, "SHARE_LOCKED")
    assert guest.post(path, json={"password": "p"}).status_code == 200
    assert guest.post(f"{path}/files", files=text).status_code == 201
    share = owner.http.get("/api/v1/shares").json()["shares"][0]
    owner.http.delete(f"/api/v1/shares/{share['id']}")
    check_problem(guest.post(f"{path}/files", files=text), 410, "SHARE_ENDED")
    reading = owner.http.post("/api/v1/shares", json={"file_id": owner.generation["id"]}).json()["url"]
    check_problem(guest.post(f"{urlsplit(reading).path}/files", files=text), 403, "SHARE_LOCKED")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"--b\r\ncontent-disposition: form-data; name=file; filename=a.txt\r\n\r\nhello", 400),
        (b"--b--\r\n", 422),
        (b"--b\r\ncontent-disposition: form-data; name=other; filename=a\r\n\r\nx\r\n--b--\r\n", 422),
        (b"--b\r\nx: y\r\n\r\nz\r\n--b--\r\n", 400),
        (b"junk", 400),
    ],
)
def test_broken_forms_store_nothing(
    owner: Belongings, guest: httpx.Client, make: Make, body: bytes, status: int
) -> None:
    path = make(folder="uploads")
    headers = {"content-type": "multipart/form-data; boundary=b"}
    reply = guest.post(f"{path}/files", content=body, headers=headers)
    assert reply.status_code == status, reply.text
    assert rules_now(owner)["files"] == 0
    assert (
        guest.post(f"{path}/files", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    )


def test_a_large_file_streams(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(folder="uploads")
    body = bytes(range(256)) * (50 * 1024)  # more than a part
    sent = guest.post(f"{path}/files", files=form(("large.bin", body, "application/octet-stream")))
    assert sent.status_code == 201, sent.text
    key = owner.http.get("/api/v1/s3/files").json()["files"][0]["key"]
    assert owner.http.get(f"/api/v1/s3/file/{key}").content == body
