"""The previous release continues while the database is migrated under it, and its rows are valid in this
release.

Processes of the commit before the newest migration serve a database of their own schema under load, while
`migrate` runs; nothing may fail, neither during nor after it. They come from git: no earlier release is
installed anywhere, and only that commit's code shows what its statements do on the newer schema. A clone
without history (``git clone --depth 1``) serves with its own code: there `migrate` finds nothing to do.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import pytest

from devstack import bucket, infra
from metadata_service.db.migrate import migrate
from metadata_service.db.migrations import REVISIONS
from tests.databases import Logins
from tests.ports import free_port
from tests.stack import CHECKOUT, NO_LIMITS, clean_environ, until, user_token

SECRET: Final = "j" * 32
VERSIONS: Final = "metadata_service/db/migrations/versions"
#: The least that each user does before and after the migration.
ROUNDS: Final = 5


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def checkout_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the commit before the newest migration."""
    (newest,) = (CHECKOUT / VERSIONS).glob(f"{REVISIONS[-1]}_*.py")
    name = str(newest.relative_to(CHECKOUT))
    if not (CHECKOUT / ".git").exists() or git("rev-parse", "--is-shallow-repository").strip() == b"true":
        return CHECKOUT
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", name).decode().strip()
    folder = tmp_path_factory.mktemp("before")
    # Until the migration is committed, HEAD is the commit before it.
    archive = git("archive", f"{added}^" if added else "HEAD")
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
        packed.extractall(folder)
    assert not (folder / name).exists()
    return folder


@pytest.fixture
def environ(servers: infra.Infra, empty_database: Logins) -> Iterator[tuple[dict[str, str], Logins]]:
    """The environment of processes with their own bucket and empty database."""
    database = empty_database.create(f"before_{uuid.uuid4().hex}")
    store = replace(servers.s3, bucket=f"before-{uuid.uuid4().hex}")
    bucket.ensure(store)
    yield (
        {
            **clean_environ(),
            **infra.s3_environ(store),
            **NO_LIMITS,
            "STRONGROOM_DATABASE_URL": database.app,
            "STRONGROOM_JWT_SECRET": SECRET,
            "STRONGROOM_INTERNAL_SECRET": "i" * 32,
            "STRONGROOM_LINK_SECRET": "l" * 32,
            "STRONGROOM_S3_SSE": "off",
        },
        database,
    )
    database.drop()


@contextmanager
def serving(checkout: Path, environ: dict[str, str], log: Path) -> Iterator[str]:
    """All services of ``checkout`` in one process; yields its URL."""
    ports = {name: free_port() for name in ("HTTP", "STORAGE", "METADATA")}
    bound = {f"STRONGROOM_{name}_BIND": f"127.0.0.1:{port}" for name, port in ports.items()}
    url = f"http://127.0.0.1:{ports['HTTP']}"
    command = [sys.executable, "-m", "strongroom_server", "serve"]
    with (
        log.open("wb") as written,
        subprocess.Popen(
            command, cwd=checkout, env=environ | bound, stdout=written, stderr=written
        ) as process,
    ):
        try:
            until("it is ready", lambda: process.poll() is not None or _is_ready(url))
            assert process.poll() is None, log.read_text()[-2000:]
            yield url
        finally:
            process.terminate()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


class User(threading.Thread):
    """Stores, lists, replaces, saves, removes. ``kept``: the expected bytes behind each URL."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.client = httpx.Client(
            base_url=url, trust_env=False, timeout=60,
            headers={"authorization": f"Bearer {user_token(SECRET, name)}"},
        )  # fmt: skip
        self.kept: dict[str, bytes] = {}
        self.rounds = 0
        self.failed: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        """Run until ``enough`` is set or something fails."""
        with self.client:
            while not self.enough.is_set() and not self.failed:
                try:
                    self._round()
                except (AssertionError, httpx.HTTPError) as error:
                    self.failed.append(f"{self.name}, round {self.rounds}: {error!r}")
                self.rounds += 1

    def _ask(self, method: str, path: str, **more: object) -> httpx.Response:
        answer = self.client.request(method, path, **more)  # type: ignore[arg-type]
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def _round(self) -> None:
        data = os.urandom(1 + 700 * self.rounds)
        urls = []
        for _ in range(2):
            stored = self._ask("POST", "/api/v1/s3/upload", files={"file": ("a.bin", data)}).json()
            urls.append(f"/api/v1/s3/file/{stored['key']}")
            self.kept[urls[-1]] = data
        self._ask("GET", "/api/v1/s3/files")
        del self.kept[urls[0]]
        self._ask("DELETE", urls[0])
        tree = {"name": "Site", "slug": "site", "files": [{"path": "a.txt", "content": f"{self.rounds}"}]}
        self._ask("POST", "/api/projects/save", json=tree)
        self.kept["/api/projects/site/files/a.txt"] = str(self.rounds).encode()
        self._ask("GET", "/api/projects/site")
        self.look(self.client)

    def look(self, client: httpx.Client) -> None:
        """Check that everything kept is there, byte for byte."""
        for path, data in self.kept.items():
            answer = client.get(path, headers=self.client.headers)
            assert (answer.status_code, answer.content) == (200, data), path


def test_nothing_fails_while_the_database_is_migrated(
    checkout_before: Path, environ: tuple[dict[str, str], Logins], tmp_path: Path
) -> None:
    variables, database = environ
    subprocess.run(
        [sys.executable, "-m", "metadata_service", "migrate"],
        cwd=checkout_before, check=True,
        env=variables | {"STRONGROOM_MIGRATION_DATABASE_URL": database.owner},
    )  # fmt: skip
    log = tmp_path / "before.log"
    with serving(checkout_before, variables, log) as url:
        users = [User(url, name) for name in ("ada", "grace", "mary")]
        for user in users:
            user.start()

        def gone_on(rounds: int) -> bool:
            return all(user.failed or user.rounds >= rounds for user in users)

        until("there is load", lambda: gone_on(ROUNDS))
        done = migrate(database.migration_settings())
        assert done.startswith(f"schema at revision {REVISIONS[-1]}")
        assert ("(was " in done) == (checkout_before != CHECKOUT)
        migrated = max(user.rounds for user in users)
        until("it goes on", lambda: gone_on(migrated + ROUNDS))
        for user in users:
            user.enough.set()
        for user in users:
            user.join(60)
        assert [failure for user in users for failure in user.failed] == []
    assert '"level":"error"' not in log.read_text()
    with (
        serving(CHECKOUT, variables, tmp_path / "now.log") as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        for user in users:
            user.look(client)
