"""What is kept or held, over REST, the SDK's words and the command line's."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.e2e.belongings import Belongings
from tests.e2e.shapes import TIME, check, check_problem
from tests.e2e.test_library import at, to_path


@pytest.fixture
def owner(user: str, http: httpx.Client) -> Belongings:
    return Belongings(user, http)


def test_a_held_file_at_every_route(owner: Belongings) -> None:
    http = owner.http
    folder = uuid.uuid4().hex
    held = to_path(http, owner.file["key"], f"{folder}/a.png").json()
    placed = http.put(at(held["key"], "/hold"), json={"reason": "case 7"})
    hold = {"reason": "case 7", "by_admin": False, "placed_at": TIME}
    check(placed.json(), {"keep_until": None, "delete_after": None, "hold": hold})
    assert http.get(at(held["id"])).json()["hold"] == placed.json()["hold"]
    for refused in (
        http.delete(at(held["id"])),
        http.delete(at(held["key"]), params={"soft": "true"}),
        http.delete(f"/api/v1/s3/file/{held['key']}"),
        http.delete(f"/api/v1/folders/{held['key'].rpartition('/')[0]}"),
        to_path(http, owner.file["key"], f"{folder}/a.png", json={"replace": True}),
        to_path(http, held["id"], f"{folder}/b.png", "move"),
    ):
        problem = check_problem(refused, 423, "RETENTION_HELD")
        assert problem["metadata"]["hold"] == "true"
    results = http.post("/api/v1/files/batch-delete", json={"files": [held["id"], owner.file["key"]]}).json()
    assert [one.get("code") for one in results["results"]] == ["RETENTION_HELD", None]
    assert http.patch(at(held["id"]), json={"filename": "b.png"}).json()["filename"] == "b.png"
    assert http.delete(at(held["id"], "/hold")).json()["hold"] is None
    assert http.delete(at(held["id"])).json()["deleted"] is True


def test_a_kept_project(owner: Belongings) -> None:
    http, at_project = owner.http, f"/api/projects/{owner.project}"
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    kept = http.patch(f"{at_project}/retention", json={"keep_until": until.isoformat()}).json()
    assert kept["keep_until"] == until.isoformat().replace("+00:00", "Z")
    problem = check_problem(http.delete(at_project), 423, "RETENTION_HELD")
    assert problem["metadata"] == {"until": kept["keep_until"]}
    earlier = {"keep_until": (until - timedelta(hours=1)).isoformat()}
    check_problem(http.patch(f"{at_project}/retention", json=earlier), 403, "PERMISSION_DENIED")
    for wrong in ({}, {"keep_until": "2020-01-01T00:00:00Z"}, {"delete_after": until.isoformat()}, {"x": 1}):
        check_problem(http.patch(f"{at_project}/retention", json=wrong), 422, "INVALID_FIELD")
    assert http.get(at_project).status_code == 200
