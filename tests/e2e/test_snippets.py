"""The tours of README.md, docs/cli.md and docs/sdk.md: their commands work as written, top to bottom."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e import samples
from tests.e2e.warm_cli import warm_cli
from tests.integration.importing.origin import Origin, answer
from tests.stack import CHECKOUT, RunningStack, clean_environ

#: Commands that a newcomer can't run: the development store has no lifecycle rules, and admins' commands need
#: their role.
OPERATORS: Final = ("strongroom bucket init", "strongroom verify", "strongroom adopt", "strongroom relink")
#: Commands that never end.
ENDLESS: Final = ("strongroom notify watch",)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    text = (CHECKOUT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files named on the pages."""
    for name in ("photo.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(samples.jpeg())
    (tmp_path / "me.png").write_bytes(samples.png())
    for name in ("film.mov", "holiday.mp4"):
        (tmp_path / name).write_bytes(samples.mp4())
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    (tmp_path / "README.md").write_text("# Hello\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>Hello</h1>\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment(
    stack: RunningStack, origin: Origin, here: Path, request: pytest.FixtureRequest
) -> dict[str, str]:
    """A newcomer's environment: the stack, and a token of a user without files."""
    return clean_environ() | {
        "STRONGROOM_DATA_DIR": str(stack.data_dir),
        "STRONGROOM_TOKEN": stack.token(f"newcomer-{uuid.uuid4()}"),
        "XDG_STATE_HOME": str(here / "state"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SOURCE": origin.script(f"snippets-{request.node.name}", answer(samples.png())),
        "EVENT": str(uuid.uuid4()),
        "no_proxy": "*",
    }


def run(script: str, env: Mapping[str, str]) -> str:
    """Run shell lines. Returns their output."""
    done = subprocess.run(
        ["bash", "-c", f"set -eu -o pipefail\n{script}"],
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tour_of_the_readme(environment: dict[str, str], here: Path) -> None:
    (tour,) = (block for block in blocks("README.md", "console") if "strongroom put" in block)
    lines = [line.removeprefix("$ ") for line in tour.splitlines() if line.startswith("$ ")]
    assert lines[0] == "source .venv/bin/activate"  # here: the environment's PATH
    out = run("\n".join(lines[1:]), environment)
    assert (here / "copy.md").read_bytes() == (here / "README.md").read_bytes()
    assert "/l/" in out
    assert "fail" not in out


def test_the_lines_of_the_command_line(
    environment: dict[str, str], here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (block,) = blocks("docs/cli.md", "sh")
    lines = [
        f"timeout --preserve-status -s INT 5 {line} || test $? = 130" if line.startswith(ENDLESS) else line
        for line in re.sub(r" +#.*$", "", block, flags=re.MULTILINE).splitlines()
        if not line.startswith(OPERATORS)
    ]
    assert len(lines) > 20
    with warm_cli(tmp_path_factory.mktemp("cli")) as programs:
        run("\n".join(lines), environment | {"PATH": f"{programs}:{environment['PATH']}"})
    assert (here / "copy.jpg").read_bytes() == (here / "photo.jpg").read_bytes()
    assert (here / "elsewhere" / "index.html").exists()
    assert (here / "site.zip").read_bytes().startswith(b"PK")


@contextlib.contextmanager
def environ_of(env: Mapping[str, str]) -> Iterator[None]:
    """Use this environment in the process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield


def test_python_in_the_readme(environment: dict[str, str], stack: RunningStack, here: Path) -> None:
    (snippet,) = blocks("README.md", "python")
    for default, service in (("127.0.0.1:50051", "storage"), ("127.0.0.1:50052", "metadata")):
        snippet = snippet.replace(default, stack.state[service]["address"])
    exec(compile(snippet, "README.md", "exec"), {"token": environment["STRONGROOM_TOKEN"]})
    assert (here / "copy.mp4").read_bytes() == (here / "holiday.mp4").read_bytes()


def certificate(folder: Path) -> None:
    """``ca.pem``, ``me.pem``, ``me.key``: self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    for file in ("ca.pem", "me.pem"):
        (folder / file).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "me.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


async def test_python_of_the_client(environment: dict[str, str], here: Path) -> None:
    from strongroom import Client

    certificate(here)
    first, connecting, *others = blocks("docs/sdk.md", "python")
    assert len(others) == 3
    kept: list[str] = []
    with environ_of(environment), Client() as client:
        names: dict[str, Any] = {
            "keep": kept.append,
            "show": lambda done, total: None,
            "url": environment["SOURCE"],
            "one": environment["SOURCE"],
            "other": environment["SOURCE"],
            "event_id": environment["EVENT"],
            "path": here / "report.pdf",
        }
        exec(compile(first, "docs/sdk.md", "exec"), names)
        exec(compile(connecting, "docs/sdk.md", "exec"), {"my_identity_provider": None})
        names["client"] = client
        resumable, families, errors = others
        # On the page another process continues what was begun; here the first line has ended already.
        lines = resumable.splitlines()
        exec(compile(lines[0], "docs/sdk.md", "exec"), names)
        assert len(kept) == 1
        exec(compile(lines[2], "docs/sdk.md", "exec"), names | {"kept": kept[0]})
        exec(compile(families, "docs/sdk.md", "exec"), names)
        exec(compile(errors, "docs/sdk.md", "exec"), names)
