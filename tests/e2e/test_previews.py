"""Projects shown in a browser: URLs that contain a token, and the files that they give access to."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin

import grpc
import httpx
import pytest

from gateway.surface import all_operations
from strongroom.errors import TokenInvalid, from_rpc_error
from strongroom.metadata.v1.project_service_pb2 import GetProjectRequest
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceStub
from strongroom.storage.v1.preview_pb2 import DownloadPreviewRequest
from strongroom.storage.v1.preview_pb2_grpc import PreviewServiceStub
from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Login
from tests.e2e.operations import WAYS
from tests.e2e.shapes import check_problem
from tests.stack import RunningStack, until

PAGE: Final = '<!doctype html><link rel="stylesheet" href="css/a.css"><h1>one</h1>'
FILES: Final = {"index.html": PAGE, "css/a.css": "h1 {color: red}", "docs/index.html": "docs"}


@pytest.fixture
def nobody(stack: RunningStack) -> Iterator[httpx.Client]:
    """A client without a token, like a browser for an iframe."""
    with httpx.Client(base_url=stack.url, trust_env=False, verify=False, timeout=60) as client:
        yield client


@pytest.fixture
def slug(http: httpx.Client) -> str:
    """A project with a front end."""
    return save(http, f"p-{uuid.uuid4().hex}", FILES)


def save(http: httpx.Client, slug: str, files: dict[str, str]) -> str:
    tree = [{"path": path, "content": content} for path, content in files.items()]
    reply = http.post("/api/projects/save", json={"name": "Mine", "slug": slug, "files": tree})
    assert reply.status_code == 200, reply.text
    return slug


def url_of(http: httpx.Client, slug: str, **params: Any) -> str:
    reply = http.get(f"/api/projects/{slug}/preview-url", params=params)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["preview_url"])


def test_the_answer(stack: RunningStack, http: httpx.Client, slug: str) -> None:
    body = http.get(f"/api/projects/{slug}/preview-url", params={"expires_in": 60}).json()
    url, end = body.pop("preview_url"), body.pop("expires_at")
    assert body == {"success": True, "version": 1, "expires_in": 60}
    assert url.startswith(f"{stack.url}/api/preview/")
    assert (url[-1], end[-1]) == ("/", "Z")
    assert http.get(f"/api/projects/{slug}/preview-url").json()["expires_in"] == 900


def test_relative_links_work_without_a_token(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    page = url_of(http, slug)
    for link, content in (("", PAGE), ("css/a.css", FILES["css/a.css"]), ("docs/", "docs")):
        assert nobody.get(urljoin(page, link)).text == content


def test_the_url_of_a_list(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    (listed,) = http.get("/api/projects").json()["projects"]
    assert nobody.get(listed["preview_url"]).text == PAGE


def test_with_a_bearer_token(http: httpx.Client, slug: str) -> None:
    for path in ("", "/", "/index.html"):
        assert http.get(f"/api/sandbox-preview/{slug}{path}").text == PAGE
    reply = http.get(f"/api/sandbox-preview/{slug}/docs/")
    assert (reply.text, reply.headers["content-disposition"]) == ("docs", "inline")


def test_the_sandbox(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    headers = nobody.get(url_of(http, slug)).headers
    assert headers["content-security-policy"].startswith("sandbox allow-scripts; ")
    assert "allow-same-origin" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert headers["content-disposition"] == "inline"
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "set-cookie" not in headers
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers


def test_ranges_conditions_and_head(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    url = url_of(http, slug)
    whole = nobody.get(url)
    etag = whole.headers["etag"]
    part = nobody.get(url, headers={"range": "bytes=2-9"})
    assert (part.status_code, part.text) == (206, PAGE[2:10])
    assert part.headers["content-range"] == f"bytes 2-9/{len(PAGE)}"
    check_problem(nobody.get(url, headers={"range": "bytes=9999-"}), 416, "RANGE_NOT_SATISFIABLE")
    for asked in ("bytes=2-9", "bytes=9999-"):
        assert nobody.get(url, headers={"range": asked, "if-range": '"other"'}).text == PAGE
    again = nobody.get(url, headers={"range": "bytes=2-9", "if-range": etag})  # a player that seeks
    assert (again.status_code, again.text) == (206, PAGE[2:10])
    unchanged = nobody.get(url, headers={"if-none-match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    check_problem(nobody.get(url, headers={"if-match": '"other"'}), 412, "PRECONDITION_FAILED")
    head = nobody.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PAGE)))


def test_it_shows_the_version_it_was_made_for(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    old = url_of(http, slug)
    save(http, slug, {"index.html": "two"})
    assert nobody.get(old).text == PAGE
    assert nobody.get(url_of(http, slug)).text == "two"
    assert nobody.get(url_of(http, slug, version=1)).text == PAGE
    reply = http.get(f"/api/projects/{slug}/preview-url", params={"version": 3})
    check_problem(reply, 404, "VERSION_NOT_FOUND")


def test_it_expires(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    url = url_of(http, slug, expires_in=1)
    reply = until("the URL has expired", lambda: _refused(nobody.get(url)))
    check_problem(reply, 401, "TOKEN_EXPIRED")
    for seconds in (0, 86_401, "soon"):
        reply = http.get(f"/api/projects/{slug}/preview-url", params={"expires_in": seconds})
        check_problem(reply, 422, "INVALID_FIELD")


def _refused(reply: httpx.Response) -> httpx.Response | None:
    return reply if reply.status_code != 200 else None


def test_a_changed_one_opens_nothing(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    token = url_of(http, slug).split("/")[5]
    other = url_of(http, save(http, f"q-{uuid.uuid4().hex}", FILES)).split("/")[5]
    for wrong in (token[:30] + other[30:], other[:60] + token[60:], token[:-1], token[6:], "none"):
        problem = check_problem(nobody.get(f"/api/preview/{wrong}/"), 401, "TOKEN_INVALID")
        assert "Copy all of the URL" in problem["detail"]


def test_it_opens_one_project_only(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    url, other = url_of(http, slug), save(http, f"q-{uuid.uuid4().hex}", {"secret.txt": "for nobody else"})
    check_problem(nobody.get(f"{url}secret.txt"), 404, "FILE_NOT_FOUND")
    for path in (f"..%2f{other}%2fsecret.txt", f"%2e%2e%2f{other}%2fsecret.txt", "%2fetc%2fpasswd"):
        reply = nobody.get(f"{url}{path}")
        assert reply.status_code in {404, 422}, reply.text
        assert "for nobody else" not in reply.text


def test_a_deleted_project_is_not_shown(http: httpx.Client, nobody: httpx.Client, slug: str) -> None:
    listed = http.get("/api/projects").json()["projects"][0]["preview_url"]
    urls = (url_of(http, slug), url_of(http, slug, version=1), url_of(http, slug, expires_in=86_400), listed)
    assert http.delete(f"/api/projects/{slug}").status_code == 200
    for url in urls:
        check_problem(nobody.get(url, follow_redirects=True), 404, "PROJECT_NOT_FOUND")
    save(http, slug, {"index.html": "another project of this name"})
    for url in urls:
        check_problem(nobody.get(url, follow_redirects=True), 404, "PROJECT_NOT_FOUND")
    assert nobody.get(url_of(http, slug)).text == "another project of this name"


def test_a_url_for_hours_leads_to_one_for_minutes(
    http: httpx.Client, nobody: httpx.Client, slug: str
) -> None:
    long = url_of(http, slug, expires_in=86_400)
    for path, content in (("", PAGE), ("css/a.css?v=1", FILES["css/a.css"]), ("docs/", "docs")):
        led = nobody.get(f"{long}{path}")
        assert (led.status_code, led.headers["cache-control"]) == (307, "no-store")
        place = urljoin(f"{long}{path}", led.headers["location"])
        assert (place.endswith(path), long.split("/")[5] in place) == (True, False)
        assert nobody.get(place).text == content
    assert nobody.head(long).status_code == 307


def test_only_the_front_end(http: httpx.Client, nobody: httpx.Client) -> None:
    hidden = {
        **dict.fromkeys((".env", ".cache/config", "backend/.env", "backend/main.py", "main.py"), "SECRET=1"),
        **dict.fromkeys(("package.json", "backend/requirements.txt", "Dockerfile", "yarn.lock"), "{}"),
        "frontend/.env.local": "SECRET=1",
        "frontend/package.json": "{}",
    }
    shown = {"frontend/index.html": PAGE, "frontend/css/a.css": "a {}"}
    slug = save(http, f"p-{uuid.uuid4().hex}", hidden | shown)
    page = url_of(http, slug)
    sandbox = f"/api/sandbox-preview/{slug}/"
    for client, base in ((nobody, page), (http, sandbox)):
        assert client.get(base).text == PAGE
        for path, content in shown.items():
            assert client.get(f"{base}{path}").text == content
            assert client.get(f"{base}{path.removeprefix('frontend/')}").text == content
        for path in hidden:
            for wanted in (
                path,
                path.removeprefix("frontend/"),
                path.replace(".", "%2e"),
                path.replace("/", "%2f"),
            ):
                check_problem(client.get(f"{base}{wanted}"), 404, "FILE_NOT_FOUND")
            assert client.head(f"{base}{path}").status_code == 404
    assert http.get(f"/api/projects/{slug}/files/backend/.env").text == "SECRET=1"


@pytest.mark.parametrize("headers", [{"service-worker": "script"}, {"sec-fetch-dest": "serviceworker"}])
def test_no_service_worker(http: httpx.Client, user: str, slug: str, headers: dict[str, str]) -> None:
    owner = Belongings(user, http)
    paths = [
        url_of(http, slug),
        f"/api/sandbox-preview/{slug}/css/a.css",
        f"/api/projects/{slug}/files/css/a.css",
        f"/api/projects/{slug}/archive",
        f"/api/v1/s3/file/{owner.quoted_key}",
        f"/api/generations/{owner.generation['id']}/content",
        f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}/stream",
        f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}/download",
    ]
    for path in paths:
        assert http.get(path).status_code == 200, path
        check_problem(http.get(path, headers=headers), 403, "PERMISSION_DENIED")
    for path in paths[2:]:
        check_problem(http.get(path, headers={"sec-fetch-dest": "script"}), 403, "PERMISSION_DENIED")


def test_nobody_signs_for_what_is_not_theirs(login: Login, slug: str) -> None:
    stranger = login(f"bob-{uuid.uuid4()}")
    check_problem(stranger.get(f"/api/projects/{slug}/preview-url"), 404, "PROJECT_NOT_FOUND")


def test_other_routes_refuse_it(http: httpx.Client, nobody: httpx.Client, user: str, slug: str) -> None:
    token, owner = url_of(http, slug).split("/")[5], Belongings(user, http)
    bearer = {"authorization": f"Bearer {token}"}
    private = {f"{one.method} {one.path}" for one in all_operations() if not one.public}
    for name in sorted(private):
        way = WAYS[name]
        more = dict(way.more(owner))
        more["headers"] = {**more.get("headers", {}), **bearer}
        reply = nobody.request(name.partition(" ")[0], way.path(owner), **more)
        assert reply.status_code == 401, name


def test_grpc(stack: RunningStack, http: httpx.Client, slug: str) -> None:
    """The same token is valid for PreviewService, and for no other service."""
    token = url_of(http, slug).split("/")[5]
    with stack.channel("storage") as storage, stack.channel("metadata") as metadata:
        previews = PreviewServiceStub(storage)
        first, *rest = previews.DownloadPreview(DownloadPreviewRequest(token=token, path="css/a.css"))
        assert first.file.path == "css/a.css"
        assert b"".join(message.data for message in rest).decode() == FILES["css/a.css"]
        with pytest.raises(grpc.RpcError) as refused:
            list(previews.DownloadPreview(DownloadPreviewRequest(token="none", path="a")))
        assert isinstance(from_rpc_error(refused.value), TokenInvalid)
        with pytest.raises(grpc.RpcError) as refused:
            ProjectServiceStub(metadata).GetProject(
                GetProjectRequest(slug=slug), metadata=(("authorization", f"Bearer {token}"),)
            )
        assert isinstance(from_rpc_error(refused.value), TokenInvalid)


def test_the_token_is_not_logged(
    stack: RunningStack, http: httpx.Client, nobody: httpx.Client, slug: str
) -> None:
    url = url_of(http, slug)
    assert nobody.get(url).status_code == 200
    signature = url.split("/")[5][:24]
    logs = list((stack.data_dir / "log").glob("*"))
    assert logs
    assert not [log for log in logs if signature in log.read_text(errors="replace")]
