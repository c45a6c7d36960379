"""Lists of the library: folders by delimiter, their deletion and ZIP; search and filters."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from typing import Any, Final

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.conftest import Login
from tests.e2e.shapes import check_problem
from tests.e2e.test_library import to_path

ALL: Final = "/api/v1/files"
PATHS: Final = ("a/1.png", "a/b/2.png", "a/b/3.png", "a/c d/ü.png", "a0.png", "b/4.png", "top.png")


@pytest.fixture
def tree(http: httpx.Client, user: str) -> str:
    """Files at PATHS; the prefix of them all."""
    key = http.post("/api/v1/s3/upload", files=upload()).json()["key"]
    for path in PATHS:
        assert to_path(http, key, path).status_code == 201
    return f"paths/{user}/"


def folder(http: httpx.Client, prefix: str, **more: Any) -> tuple[list[str], list[str]]:
    """Folders and files right below a prefix, without it."""
    page = http.get(ALL, params={"prefix": prefix, "delimiter": "/", **more}).json()
    return (
        [one.removeprefix(prefix) for one in page["folders"]],
        [one["key"].removeprefix(prefix) for one in page["files"]],
    )


def test_a_folder(http: httpx.Client, tree: str) -> None:
    assert folder(http, tree) == (["a/", "b/"], ["a0.png", "top.png"])
    assert folder(http, f"{tree}a/") == (["b/", "c d/"], ["1.png"])
    assert folder(http, f"{tree}a") == (["/"], ["0.png"])
    assert folder(http, f"{tree}a/b/") == ([], ["2.png", "3.png"])
    assert folder(http, f"{tree}none/") == ([], [])
    assert folder(http, "") == (["paths/", "uploads/"], [])
    assert folder(http, tree, family="files") == ([], [])
    contract = http.get("/api/v1/s3/files", params={"prefix": tree, "delimiter": "/"}).json()
    assert contract["folders"] == [f"{tree}a/", f"{tree}b/"]
    assert [one["key"] for one in contract["files"]] == [f"{tree}a0.png", f"{tree}top.png"]
    assert "folders" not in http.get("/api/v1/s3/files", params={"prefix": tree}).json()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pages_of_a_folder(http: httpx.Client, tree: str, size: int) -> None:
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        params: dict[str, Any] = {"prefix": tree, "delimiter": "/", "max_keys": size}
        params["continuation_token"] = token
        page = http.get("/api/v1/s3/files", params=params).json()
        entries = [*page["folders"], *(one["key"] for one in page["files"])]
        assert 1 <= len(entries) <= size
        seen += sorted(entries)
        if not token:  # files added before the page don't shift it
            to_path(http, f"{tree}top.png", "a/new/x.png")
        token = page["next_page_token"]
    assert seen == [f"{tree}{one}" for one in ("a/", "a0.png", "b/", "top.png")]


def test_folders_that_are_refused(http: httpx.Client) -> None:
    for path in (ALL, "/api/v1/s3/files"):
        for delimiter in ("//", "-", "a"):
            reply = http.get(path, params={"delimiter": delimiter})
            check_problem(reply, 422, "INVALID_FIELD")
    check_problem(http.get(ALL, params={"delimiter": "/", "q": "x"}), 422, "INVALID_FIELD")
    token = {"delimiter": "/", "page_token": "x"}
    check_problem(http.get(ALL, params=token), 422, "INVALID_PAGE_TOKEN")


def test_deleting_a_folder(http: httpx.Client, tree: str, login: Login) -> None:
    size = len(samples.png())
    stranger = login(f"other-{uuid.uuid4()}")
    check_problem(stranger.delete(f"/api/v1/folders/{tree}a"), 404, "FILE_NOT_FOUND")
    gone = http.delete(f"/api/v1/folders/{tree}a/b", params={"soft": "true"}).json()
    assert gone == {"folder": f"{tree}a/b/", "deleted": 2, "bytes": 2 * size, "soft": True}
    assert folder(http, f"{tree}a/") == (["c d/"], ["1.png"])
    trashed = http.get("/api/v1/trash").json()["files"]
    assert {one["key"] for one in trashed} == {f"{tree}a/b/2.png", f"{tree}a/b/3.png"}
    assert http.post(f"/api/v1/trash/{trashed[0]['id']}/restore").status_code == 200
    gone = http.delete(f"/api/v1/folders/{tree}a/").json()
    assert (gone["deleted"], gone["soft"]) == (3, False)
    assert folder(http, tree) == (["b/"], ["a0.png", "top.png"])  # a0.png is in no folder a
    check_problem(http.delete(f"/api/v1/folders/{tree}a"), 404, "FILE_NOT_FOUND")
    assert http.get("/api/v1/usage").json()["file_count"] == 4
    for nothing in ("%2F", "%2F%2F"):
        check_problem(http.delete(f"/api/v1/folders/{nothing}"), 422, "INVALID_FIELD")


def test_a_deleted_folder_counts_generations_out(http: httpx.Client, user: str) -> None:
    made = [
        http.post("/api/generations/upload", data={"type": "text-to-image"}, files=upload()) for _ in range(2)
    ]
    prefix = made[0].json()["generation"]["s3_key"].rpartition("/")[0]
    assert http.delete(f"/api/v1/folders/{prefix}").json()["deleted"] == 2
    assert http.get("/api/generations").json()["total"] == 0
    assert http.get("/api/generations/stats").json()["stats"]["total_bytes"] == 0


def test_a_folder_as_a_zip(http: httpx.Client, tree: str, login: Login) -> None:
    reply = http.get(f"/api/v1/folders/{tree}a/archive")
    assert reply.headers["content-disposition"].startswith('attachment; filename="a.zip"')
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.namelist() == ["1.png", "b/2.png", "b/3.png", "c d/ü.png"]
        assert archive.read("b/2.png") == samples.png()
    stranger = login(f"other-{uuid.uuid4()}")
    for client, place in ((stranger, f"{tree}a"), (http, f"{tree}none")):
        check_problem(client.get(f"/api/v1/folders/{place}/archive"), 404, "FILE_NOT_FOUND")


FOX: Final = {"provider": "stability", "model": "sdxl", "steps": 30, "hires": True, "nested": {"a": 1}}


@pytest.fixture
def searched(http: httpx.Client) -> dict[str, str]:
    """Files of every family with a common name; their texts tell which words find them."""
    found: dict[str, str] = {}

    def generation(name: str, prompt: str, settings: dict[str, Any], kind: str = "text-to-image") -> None:
        form = {"type": kind, "prompt": prompt, "settings": json.dumps(settings)}
        reply = http.post("/api/generations/upload", data=form, files=upload(name=f"{name}.png"))
        found[name] = reply.json()["generation"]["id"]

    generation("one", "A red FOX in the snow, 100% real_life", FOX)
    generation("two", "Ein Füchslein ÜBER den Bergen", {"model": "flux", "text": "\x00 and \ud83d\ude00"})
    event = str(uuid.uuid4())
    form = {"title": "First dance", "description": "Anna & Björn", "tags": "evening,slow waltz"}
    media = http.post(
        f"/api/v1/events/{event}/media", data=form, files=upload(samples.JPEG, "p.jpg", "image/jpeg")
    )
    found["media"], found["event"] = media.json()["id"], event
    plain = http.post("/api/v1/s3/upload", files=upload(b"text!", "Fox report.txt", "text/plain")).json()
    found["plain"] = http.get(f"{ALL}/{plain['key']}").json()["id"]
    found["path"] = to_path(http, found["plain"], "zoo/animals/list.txt").json()["id"]
    return found


def hits(http: httpx.Client, searched: dict[str, str], **params: Any) -> set[str]:
    """The names of the files that a search finds."""
    names = {made: name for name, made in searched.items()}
    reply = http.get(ALL, params=params)
    assert reply.status_code == 200, reply.text
    return {names[one["id"]] for one in reply.json()["files"]}


def test_words(http: httpx.Client, searched: dict[str, str], login: Login) -> None:
    for query, found in {
        "fox": {"one", "plain", "path"},
        "FOX snow": {"one"},
        "füchslein": {"two"},
        "FÜCHS über": {"two"},
        "ance": {"media"},
        "björn dance": {"media"},
        "waltz": {"media"},
        '"slow waltz"': {"media"},
        '"waltz slow"': set(),
        "zoo/animals": {"path"},
        "p.jpg": {"media"},
        "100%": {"one"},
        "real_life": {"one"},
        "realxlife": set(),
        "'; DROP": set(),
        "": set(searched) - {"event"},
    }.items():
        assert hits(http, searched, q=query) == found, query
    assert login(f"other-{uuid.uuid4()}").get(ALL, params={"q": "fox"}).json()["files"] == []
    for query in ("a b c d e f g h i j k", "a" * 1025):
        problem = check_problem(http.get(ALL, params={"q": query}), 422, "INVALID_FIELD")
        assert problem["metadata"]["field"] == "q"
    check_problem(http.get(ALL, params={"q": "a\x00b"}), 422, "INVALID_FIELD")


def test_filters(http: httpx.Client, searched: dict[str, str]) -> None:
    pictures = {"one", "two", "media"}
    for params, found in (
        ({"type": "image/*"}, pictures),
        ({"type": "image/jpeg"}, {"media"}),
        ({"type": "text/plain", "family": "path"}, {"path"}),
        ({"family": "generations"}, {"one", "two"}),
        ({"family": "event_media", "q": "fox"}, set()),
        ({"size_max": 5}, {"plain", "path"}),
        ({"size_min": 6}, pictures),
        ({"size_min": 5, "size_max": 5}, {"plain", "path"}),
        ({"created_after": "2020-01-01"}, {*pictures, "plain", "path"}),
        ({"created_before": "2020-01-01T00:00:00+02:00"}, set()),
        ({"settings.model": "sdxl"}, {"one"}),
        ({"settings.model": "sdxl", "settings.steps": "30", "settings.hires": "true"}, {"one"}),
        ({"settings.model": "sdxl", "settings.provider": "other"}, set()),
        ({"settings.model": "flux"}, set()),  # can't be stored as Postgres text
        ({"settings.none": ""}, set()),
        ({"prefix": "paths/"}, {"path"}),
    ):
        assert hits(http, searched, **params) == found, params
    for name, value in (
        ("created_after", "yesterday"), ("created_before", "2026-13-01"), ("size_min", "-1"),
        ("size_max", "big"), ("family", "none"), ("limit", "0"),
    ):  # fmt: skip
        problem = check_problem(http.get(ALL, params={name: value}), 422, "INVALID_FIELD")
        assert problem["metadata"]["field"] == name


def test_pages_of_a_search(http: httpx.Client) -> None:
    made = [
        http.post("/api/v1/s3/upload", files=upload(name=f"page {n}.png")).json()["key"] for n in range(5)
    ]
    http.post("/api/v1/s3/upload", files=upload(name="other.png"))
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        page = http.get(ALL, params={"q": "page", "limit": 2, "page_token": token}).json()
        seen += [one["key"] for one in page["files"]]
        if not token:  # newer files come before the first page
            http.post("/api/v1/s3/upload", files=upload(name="page 9.png"))
        token = page["next_page_token"]
    assert seen == made[::-1]
    first = http.get(ALL, params={"q": "page", "limit": 2}).json()["next_page_token"]
    other = {"q": "other", "limit": 2, "page_token": first}
    check_problem(http.get(ALL, params=other), 422, "INVALID_PAGE_TOKEN")


def test_the_families_own_lists(http: httpx.Client, searched: dict[str, str]) -> None:
    def generations(**params: Any) -> tuple[list[str], int]:
        reply = http.get("/api/generations", params=params).json()
        return [one["id"] for one in reply["generations"]], reply["total"]

    assert generations(q="fox") == ([searched["one"]], 1)
    assert generations(q="fox", type="text-to-video") == ([], 0)
    assert generations(**{"settings.provider": "stability"}) == ([searched["one"]], 1)
    assert generations(created_before="2020-01-01") == ([], 0)
    assert generations(limit=1, q=".png")[1] == 2
    path = f"/api/v1/events/{searched['event']}/media"
    for params, total in (
        ({"q": "dance"}, 1),
        ({"q": "fox"}, 0),
        ({"q": "anna", "file_type": "image/*"}, 1),
        ({"q": "anna", "file_type": "image/png"}, 0),
        ({"size_min": "1000000"}, 0),
    ):
        assert http.get(path, params=params).json()["total"] == total
