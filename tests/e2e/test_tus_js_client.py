"""tus-js-client under Node, pinned by tests/e2e/tus_js/package-lock.json, against a whole stack."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.node_modules import install
from tests.stack import RunningStack

SCRIPTS = Path(__file__).parent / "tus_js"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts with their modules installed, outside of the checkout."""
    return install(SCRIPTS, tmp_path_factory.mktemp("node"))


class Uploader:
    """Runs upload.mjs as a new user."""

    def __init__(self, stack: RunningStack, scripts: Path, user: str, folder: Path) -> None:
        self.stack, self.scripts, self.user, self.folder = stack, scripts, user, folder

    def file(self, size: int) -> Path:
        path = self.folder / f"{size}.bin"
        path.write_bytes(os.urandom(size))
        return path

    def run(self, file: Path, **options: Any) -> dict[str, Any]:
        """The result of the upload."""
        options |= {
            "endpoint": f"{self.stack.url}/files",
            "token": self.stack.token(self.user),
            "file": str(file),
        }
        done = subprocess.run(
            ["node", "upload.mjs", json.dumps(options)],
            cwd=self.scripts,
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def http(self) -> httpx.Client:
        return self.stack.http(self.user)

    def stored(self) -> list[str]:
        """SHA-256 of each of the user's files."""
        with self.http() as client:
            keys = [file["key"] for file in client.get("/api/v1/s3/files").json()["files"]]
            return [hashlib.sha256(client.get(f"/api/v1/s3/file/{key}").content).hexdigest() for key in keys]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def uploader(stack: RunningStack, scripts: Path, tmp_path: Path, user: str) -> Uploader:
    return Uploader(stack, scripts, user, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunkSize": 3 * MIB},
        {"chunkSize": 5 * MIB, "withCreation": True},
        {"chunkSize": 2 * MIB, "deferred": True},
        {"parallel": 3},
    ],
    ids=["whole", "chunked", "with-creation", "deferred", "parallel"],
)
def test_arrives_unchanged(uploader: Uploader, options: dict[str, Any]) -> None:
    file = uploader.file(20 * MIB + 17)
    result = uploader.run(file, metadata={"filename": "film.bin"}, **options)
    assert "error" not in result
    assert uploader.stored() == [sha256(file)]


def test_zero_bytes(uploader: Uploader) -> None:
    file = uploader.file(0)
    assert "error" not in uploader.run(file)
    assert uploader.stored() == [sha256(file)]


def test_goes_on_in_another_process(uploader: Uploader) -> None:
    file = uploader.file(20 * MIB + 17)
    killed = uploader.run(file, chunkSize=3 * MIB, abortAfter=6 * MIB)
    assert uploader.stored() == []
    with uploader.http() as client:
        asked = client.head(killed["url"], headers={"Tus-Resumable": "1.0.0"})
    assert int(asked.headers["upload-offset"]) >= killed["accepted"]
    assert uploader.run(file, url=killed["url"], chunkSize=3 * MIB)["url"] == killed["url"]
    assert uploader.stored() == [sha256(file)]


def test_terminates(uploader: Uploader) -> None:
    result = uploader.run(uploader.file(MIB), terminate=True)
    with uploader.http() as client:
        assert client.head(result["url"], headers={"Tus-Resumable": "1.0.0"}).status_code == 404
    assert uploader.stored() == []


def test_survives_a_restart_of_the_gateway(uploader: Uploader) -> None:
    file = uploader.file(20 * MIB)
    killed = uploader.run(file, chunkSize=3 * MIB, abortAfter=6 * MIB)
    path = httpx.URL(killed["url"]).path
    uploader.stack.kill("gateway")
    result = uploader.run(file, url=f"{uploader.stack.url}{path}", chunkSize=3 * MIB)
    assert "error" not in result
    assert uploader.stored() == [sha256(file)]
