"""Profile pictures, replaced in one step; files that are deleted automatically."""

from __future__ import annotations

import re
import threading
import time

import httpx

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.conftest import Login
from tests.e2e.shapes import STAMP, TIME, URL, UUID, check, check_problem
from tests.faults.checker import Checker
from tests.stack import until

PICTURE = "/api/v1/users/me/profile-picture"
REPLACEMENTS = 20


def test_the_picture(http: httpx.Client, user: str) -> None:
    check_problem(http.get(PICTURE), 404, "FILE_NOT_FOUND")
    check_problem(http.delete(PICTURE), 404, "FILE_NOT_FOUND")
    reply = http.put(PICTURE, files=upload())
    assert reply.status_code == 200, reply.text
    check(
        reply.json(),
        {
            "id": UUID, "user_id": user, "file_url": URL, "file_type": "image/png", "created_at": TIME,
            "s3_key": re.compile(rf"users/{user}/profile/{STAMP}\.png"), "file_size": len(samples.png()),
            "updated_at": TIME,
        },
    )  # fmt: skip
    shown = http.get(PICTURE)
    assert (shown.status_code, shown.content, shown.headers["content-type"]) == (
        200,
        samples.png(),
        "image/png",
    )
    assert http.get(PICTURE, headers={"if-none-match": shown.headers["etag"]}).status_code == 304
    gone = http.delete(PICTURE)
    assert (gone.status_code, gone.content) == (204, b"")
    check_problem(http.get(PICTURE), 404, "FILE_NOT_FOUND")


def test_what_is_no_picture(http: httpx.Client) -> None:
    reply = http.put(PICTURE, files=upload(samples.PDF, "me.pdf", "application/pdf"))
    check_problem(reply, 422, "CONTENT_TYPE_NOT_ALLOWED")
    large = samples.png() + bytes(5 << 20)
    problem = check_problem(http.put(PICTURE, files=upload(large)), 413, "SIZE_LIMIT_EXCEEDED")
    assert problem["metadata"]["limit"] == str(5 << 20)


def test_readers_see_the_old_picture_or_the_new_one(login: Login, user: str, checker: Checker) -> None:
    writer, reader = login(user), login(user)
    pictures = [samples.png(number) for number in range(REPLACEMENTS + 1)]
    assert writer.put(PICTURE, files=upload(pictures[0])).status_code == 200
    seen: list[tuple[int, bytes]] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            reply = reader.get(PICTURE)
            seen.append((reply.status_code, reply.content))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for picture in pictures[1:]:
            assert writer.put(PICTURE, files=upload(picture)).status_code == 200
            assert writer.get(PICTURE).content == picture
    finally:
        over.set()
        thread.join()
    assert {status for status, _ in seen} == {200}
    order = [pictures.index(content) for _, content in seen]
    assert order == sorted(order)
    until("the old objects are gone", lambda: len(_objects(checker, f"users/{user}/")) == 1)


def test_temporary_files(http: httpx.Client, user: str, checker: Checker) -> None:
    reply = http.post("/api/v1/temp", files=upload(), data={"ttl_seconds": "2"})
    assert reply.status_code == 201, reply.text
    body = reply.json()
    check(
        body,
        {
            "id": UUID, "key": re.compile(rf"temp/{STAMP}\.png"), "url": URL, "size": len(samples.png()),
            "content_type": "image/png", "filename": "cat.png", "created_at": TIME, "expires_at": TIME,
        },
    )  # fmt: skip
    assert http.get(f"/api/v1/s3/file/{body['key']}").content == samples.png()
    began = time.monotonic()
    until("the file is gone", lambda: http.get(f"/api/v1/s3/file/{body['key']}").status_code == 404)
    assert time.monotonic() - began > 1
    until("the object is gone", lambda: not _objects(checker, body["key"]))
    until(
        "nothing counts any more", lambda: not checker.query("SELECT 1 FROM files WHERE owner_id = %s", user)
    )


def test_how_long_files_may_stay(http: httpx.Client) -> None:
    for ttl in ("0", "-1", "2592001", "soon", "1.5"):
        reply = http.post("/api/v1/temp", files=upload(), data={"ttl_seconds": ttl})
        assert check_problem(reply, 422, "INVALID_FIELD")["metadata"]["field"] == "ttl_seconds"
    for ttl in ("2592000", ""):
        assert http.post("/api/v1/temp", files=upload(), data={"ttl_seconds": ttl}).status_code == 201


def _objects(checker: Checker, part: str) -> list[str]:
    return [key for key, _, _ in checker.versions() if part in key]
