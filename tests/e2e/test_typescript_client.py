"""The package clients/typescript, as packed by npm: under Node and in Chromium against a whole stack."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tests.e2e import camera
from tests.e2e.chromium import Page, open_page
from tests.e2e.node_modules import install
from tests.e2e.pages import Pages
from tests.stack import RunningStack, until

CLIENT: Final = Path(__file__).resolve().parents[2] / "clients" / "typescript"
PARTS: Final = [
    *("plainFiles", "generations", "media", "projects", "library", "guests", "operators"),
    *("uploads", "events", "everyOperation", "faults"),
]
PICTURE: Final = camera.picture("PNG", place=False)


def npm(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["npm", *command], cwd=folder, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built copy of the folder, with the packed package among its modules, which imports by name use."""
    copy = install(CLIENT, tmp_path_factory.mktemp("typescript"))
    npm(copy, "run", "check")
    npm(copy, "run", "build")
    (tarball,) = npm(copy, "pack", "--silent").split()
    home = copy / "node_modules" / "strongroom-client"
    home.mkdir()
    shutil.unpack_archive(copy / tarball, home, "gztar")
    for inside in (home / "package").iterdir():
        inside.rename(home / inside.name)
    return copy


def node(package: Path, script: Path, **options: Any) -> str:
    done = subprocess.run(
        ["node", str(script), json.dumps(options)],
        cwd=package,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_holds_what_it_says(package: Path) -> None:
    home = package / "node_modules" / "strongroom-client"
    about = json.loads((home / "package.json").read_text())
    assert set(about["dependencies"]) == {"tus-js-client"}
    assert (home / about["types"]).exists()
    assert (home / about["exports"]["."]["default"]).exists()
    assert not (home / "src").exists()


def test_the_modules_of_the_console_have_no_wrong_types(package: Path) -> None:
    """Checked with JSDoc and the API's types here, because the compiler is here; the console has no build."""
    console = CLIENT.parents[1] / "gateway" / "families" / "console"
    npm(package, "exec", "tsc", "--", "-p", str(console))


def test_under_node(package: Path, stack: RunningStack, user: str) -> None:
    picture = base64.b64encode(PICTURE).decode()
    admin = stack.token(f"{user}-root", roles=["admin"])
    script = package / "tests" / "node.mjs"
    said = node(package, script, url=stack.url, token=stack.token(user), admin=admin, picture=picture)
    assert said.split() == PARTS


def test_the_readmes_examples(package: Path, stack: RunningStack, user: str) -> None:
    text = (package / "README.md").read_text()
    examples = re.findall(r"```ts\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 5
    lines = "\n".join(examples).replace("https://files.example.com", stack.url)
    script = package / "readme.ts"
    head = "declare const process: { env: Record<string, string> };\n"
    script.write_text(head + lines.replace("signIn()", "process.env['TOKEN']!"))
    (package / "tsconfig.readme.json").write_text(
        '{"extends": "./tsconfig.check.json", "compilerOptions": {"paths": {}}, "include": ["readme.ts"]}'
    )
    npm(package, "exec", "tsc", "--", "-p", "tsconfig.readme.json")
    bundle = ["node_modules/.bin/esbuild", "readme.ts", "--format=esm", "--outfile=readme.mjs"]
    subprocess.run(bundle, cwd=package, check=True, capture_output=True, timeout=120)
    done = subprocess.run(
        ["node", "readme.mjs"],
        cwd=package,
        env={"TOKEN": stack.token(user), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def example(package: Path, pages: Pages) -> str:
    """The address of the React page."""
    npm(package, "run", "example")
    folder = pages.folder / "react"
    shutil.copytree(package / "examples" / "react" / "dist", folder)
    shutil.copy(package / "examples" / "react" / "index.html", folder)
    return f"{pages.origin}/react/index.html"


def test_the_react_example(example: str, stack: RunningStack, http: httpx.Client, tmp_path: Path) -> None:
    event = str(uuid.uuid4())
    token = http.headers["authorization"].removeprefix("Bearer ")
    settings = quote(json.dumps({"url": stack.url, "token": token, "event": event}))
    picture, video = tmp_path / "a.png", tmp_path / "b.mp4"
    picture.write_bytes(PICTURE)
    video.write_bytes(camera.video())
    with open_page(f"{example}#{settings}") as page:
        until("the stream is open", lambda: _status(page) == "live")
        page.choose_file("input", picture)
        until("the picture is stored", lambda: _status(page) == "stored a.png")
        until("the picture is shown", lambda: _page(page, "img", "[0]?.naturalWidth === 40"))
        page.choose_file("input", video)
        until("the video is there", lambda: _page(page, "video", ".length === 1"))
        other = http.post(f"/api/v1/events/{event}/media", files={"file": ("c.png", PICTURE, "image/png")})
        assert other.status_code == 201
        until("what others store appears", lambda: _page(page, "img", ".length === 2"))
        page.value("document.querySelector('button').click()")
        until("the project is saved", lambda: _status(page) == "saved version 1")
        until("it is previewed", lambda: page.value("document.querySelector('iframe')?.src"))
    assert [row["title"] for row in http.get(f"/api/v1/events/{event}/media").json()["items"]].count(
        "a.png"
    ) == 1


def _status(page: Page) -> Any:
    return page.value("document.querySelector('[role=status]')?.textContent")


def _page(page: Page, selector: str, told: str) -> Any:
    return page.value(f"document.querySelectorAll({selector!r}){told}")
