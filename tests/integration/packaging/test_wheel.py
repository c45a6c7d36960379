"""The wheel alone: built, installed into a new environment without a clone, and used to store a file.

Packages come from pip's configured source, in the versions of the lock.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from scripts.release import building
from tests.servers import room
from tests.stack import CHECKOUT, FAST_DRAIN, clean_environ, user_token
from tests.stack import RunningStack as CheckoutStack

pytestmark = pytest.mark.slow
SECONDS: Final = 900
#: The time given for this release.
EPOCH: Final = 1_795_900_000


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as in a release, built from the sdist."""
    made = building.build(CHECKOUT, tmp_path_factory.mktemp("dist"), EPOCH)
    return next(path for path in made if path.suffix == ".whl")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a new environment with `strongroom[embedded]`."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    lock = (CHECKOUT / "requirements/embedded.txt").read_text()
    locked = [line.rstrip("\\ ") for line in lock.splitlines() if "==" in line and line[0].isalnum()]
    versions = folder / "versions.txt"
    versions.write_text("\n".join(locked))
    what = f"strongroom[embedded] @ {wheel.as_uri()}"
    install = CHECKOUT / "scripts/install.py"
    run(sys.executable, install, "--into", folder / "bin/python", "-c", versions, what)
    return folder / "bin"


def test_the_wheel_describes_itself(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(
            archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        )
    assert {name.partition("/")[0] for name in names} == {"strongroom", metadata_folder(names)}
    assert "pip install 'strongroom[server]'" in str(metadata.get_payload())
    assert len(metadata.get_all("Project-URL", [])) >= 3
    base = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(base) == 11


def test_the_wheel_is_the_same_wherever_and_whenever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    """Built from the checkout instead of the sdist, with another folder, time zone, locale and umask."""
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    build = ["-m", "build", "--no-isolation", "--wheel", "--outdir"]
    run(sys.executable, *build, tmp_path, CHECKOUT, env=env, umask=0o077)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def metadata_folder(names: list[str]) -> str:
    return next(name.partition("/")[0] for name in names if ".dist-info/" in name)


def test_only_the_public_package_can_be_imported(installed: Path, tmp_path: Path) -> None:
    program = "import importlib.util as u; print([n for n in {names!r} if u.find_spec(n)])"
    names = ["strongroom", "gateway", "servicekit", "devstack", "metadata_service", "storage_service"]
    found = run(installed / "python", "-c", program.format(names=names), cwd=tmp_path)
    assert found.strip() == "['strongroom']"


class InstalledStack(CheckoutStack):
    """`strongroom up` of that environment."""

    def __init__(self, commands: Path, data_dir: Path) -> None:
        self.commands = commands
        super().__init__(data_dir, {**FAST_DRAIN, "STRONGROOM_FORM": "one"})

    def command(self) -> tuple[list[str], Path]:
        return [str(self.commands / "strongroom"), "up"], self.data_dir


def test_a_stack_from_the_wheel_stores_a_file(installed: Path, run_folder: Path, tmp_path: Path) -> None:
    with room(run_folder) as folder, InstalledStack(installed, folder) as stack:
        stack.wait_up()
        body = os.urandom(300_000)
        with stack.http("ada") as client:
            stored = client.post("/api/v1/s3/upload", files={"file": ("a.bin", body)})
            assert stored.status_code == 201, stored.text
            assert client.get(f"/api/v1/s3/file/{stored.json()['key']}").content == body
        (tmp_path / "b.txt").write_text("by the command line")
        env = clean_environ() | {
            "STRONGROOM_STORAGE_ADDRESS": stack.state["storage"]["address"],
            "STRONGROOM_METADATA_ADDRESS": stack.state["metadata"]["address"],
            "STRONGROOM_TOKEN": user_token(stack.state["jwt_secret"], "ada"),
        }
        key = run(
            installed / "strongroom", "put", "--quiet", tmp_path / "b.txt", env=env, cwd=tmp_path
        ).strip()
        run(installed / "strongroom", "get", key, "-o", tmp_path / "back.txt", env=env, cwd=tmp_path)
        assert (tmp_path / "back.txt").read_text() == "by the command line"


def test_serve_is_there_and_says_what_it_needs(installed: Path, tmp_path: Path) -> None:
    text = run(installed / "strongroom", "serve", "--help", cwd=tmp_path, env=clean_environ())
    assert "--target {all,metadata,storage,gateway}" in text
    refused = subprocess.run(
        [installed / "strongroom", "serve"],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("setting STRONGROOM_")
