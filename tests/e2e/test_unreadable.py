"""Unreadable contents are refused before any response head, on every route, for HEAD, ranges and conditions
alike.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Login
from tests.e2e.shapes import check_problem
from tests.e2e.test_byte_doors import DOORS
from tests.faults.checker import Checker

#: What is known of a user's contents, and what readers are told.
MARKS: Final = {
    "infected": (
        (
            """INSERT INTO scans (owner_id, blob_id, outcome, scanned_at, signature)
            SELECT owner_id, id, 3, now(), 'Eicar' FROM blobs WHERE owner_id = %s AND state = 3""",
        ),
        (422, "CONTENT_INFECTED"),
    ),
    "corrupt": (
        (
            "UPDATE files SET damage = 2 WHERE owner_id = %s",
            "UPDATE project_files SET damage = 2 WHERE owner_id = %s",
        ),
        (500, "OBJECT_LOST"),
    ),
}
ASKED: Final[list[dict[str, str]]] = [{}, {"range": "bytes=1-2"}, {"if-none-match": "*"}, {"if-match": '"x"'}]


@pytest.mark.parametrize("mark", MARKS)
def test_every_door_says_so_before_its_head(
    http: httpx.Client, login: Login, user: str, checker: Checker, mark: str
) -> None:
    owner = Belongings(user, http)
    doors = {name: door(owner) for name, door in DOORS.items()}
    for scope in ({"event_id": owner.event_id}, {"project": owner.project}):
        made = http.post("/api/v1/shares", json=scope).json()["url"]
        token = made.rpartition("/")[2]
        page = http.get(f"/s/{token}", headers={"accept": "application/json"}).json()
        doors[f"share of {next(iter(scope))}"] = urlsplit(page["files"][0]["url"]).path
        doors[f"archive of {next(iter(scope))}"] = f"/s/{token}/archive"
    doors["folder"] = f"/api/v1/folders/uploads/{user}/archive"
    statements, told = MARKS[mark]
    for statement in statements:
        checker.execute(statement, user)
    for name, path in doors.items():
        for headers in ASKED[:1] if "archive" in path else ASKED:
            reply = http.get(path, headers=headers)
            assert (name, headers, reply.status_code) == (name, headers, told[0])
            check_problem(reply, *told)
            head = http.head(path, headers=headers)
            assert (name, head.status_code, head.content) == (name, told[0], b"")
    for path in (f"/api/generations/{owner.generation['id']}/signed-url", f"{doors['file']}/url"):
        check_problem(http.get(path), *told)
    admin = login(f"admin of {user}", roles=["admin"])
    listed = admin.get("/api/admin/infected", params={"user_id": user, "limit": "2"}).json()
    if mark == "corrupt":
        assert listed == {"contents": [], "next_page_token": None}
        return
    token = listed["next_page_token"]
    rest = admin.get("/api/admin/infected", params={"user_id": user, "page_token": token}).json()
    found = {one["key"]: (one["user_id"], one["signature"]) for one in listed["contents"] + rest["contents"]}
    assert found[owner.file["key"]] == found[f"projects/{user}/{owner.project}/index.html"] == (user, "Eicar")
