"""The Dockerfile, as far as it can be checked without an engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from devstack.environment import MALLOC
from strongroom.version import VERSION

ROOT = Path(__file__).resolve().parents[3]
TARGETS = ("metadata", "storage", "gateway")


def instructions() -> list[tuple[str, str, str]]:
    """(stage, instruction, arguments), continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    found, stage = [], ""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.rpartition(" AS ")[2]
        if word and not word.startswith("#"):
            found.append((stage, word, rest.strip()))
    return found


def allowed_into_the_context() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_every_copied_path_exists_and_is_in_the_context() -> None:
    for _, word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from="):
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists(), source
                assert source in allowed_into_the_context(), source


def test_the_context_holds_nothing_that_is_not_copied() -> None:
    copied = {rest.split()[0] for _, word, rest in instructions() if word == "COPY"}
    assert set(allowed_into_the_context()) <= copied


def test_every_module_is_compiled() -> None:
    """Containers write no bytecode; unchecked, so that no date of a file makes it stale."""
    compiles = "python -m compileall -q -j 0 --invalidation-mode unchecked-hash "
    runs = {stage: rest for stage, word, rest in instructions() if word == "RUN" and compiles in rest}
    assert runs["packages"].endswith(f"{compiles}/opt/venv/lib")
    assert " --no-compile " in runs["packages"]
    assert runs["sources"].endswith(f"{compiles}.")
    assert 'sysconfig.get_path("stdlib")' in runs["base"]
    built = [rest.split() for stage, word, rest in instructions() if stage == "sources" and word == "COPY"]
    taken = [
        rest.split()
        for stage, word, rest in instructions()
        if word == "COPY" and stage in ("base", *TARGETS) and "--from=packages" not in rest
    ]
    for source, *rest in taken:
        if source == "--from=sources":
            place, name = rest
            assert place == f"/app/{name}"
            assert [name, name] in built
        else:
            assert source.startswith("deploy/"), "run by its path, or once"


def test_what_is_compiled_says_where_it_is_from() -> None:
    """Paths in tracebacks are those of the compiler."""
    folders = {stage: rest for stage, word, rest in instructions() if word == "WORKDIR"}
    assert folders == {"sources": "/app", "base": "/app"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_its_own_module_without_root(target: str) -> None:
    here = {word: rest for stage, word, rest in instructions() if stage == target}
    base = {word: rest for stage, word, rest in instructions() if stage == "base"}
    module = target if target == "gateway" else f"{target}_service"
    assert json.loads(here["ENTRYPOINT"]) == ["python", "-m", module]
    assert json.loads(here["CMD"]) == ["serve"]
    assert base["USER"] == "10001:10001"
    assert "USER" not in here


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_labelled_with_what_it_is(target: str) -> None:
    labels = " ".join(
        rest for stage, word, rest in instructions() if word == "LABEL" and stage in ("base", target)
    )
    told = dict(re.findall(r'org\.opencontainers\.image\.(\w+)=("[^"]*"|\S+)', labels))
    assert told["title"] == f'"strongroom-{target}"'
    arguments = {rest for stage, word, rest in instructions() if word == "ARG" and stage == "base"}
    assert f'STRONGROOM_VERSION="{VERSION}"' in arguments
    for label, argument in (("version", "VERSION"), ("revision", "COMMIT"), ("created", "CREATED")):
        assert told[label] == f"${{STRONGROOM_{argument}}}"
        assert any(one.startswith(f"STRONGROOM_{argument}=") for one in arguments)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_no_other_service_inside(target: str) -> None:
    modules = {"metadata": "metadata_service", "storage": "storage_service", "gateway": "gateway"}
    copied = {
        rest.split()[-1]
        for stage, word, rest in instructions()
        if word == "COPY" and stage in ("base", target)
    }
    assert copied & set(modules.values()) == {modules[target]}


@pytest.mark.parametrize("target", TARGETS)
def test_the_health_check_asks_the_port_that_is_bound(target: str) -> None:
    here = [(word, rest) for stage, word, rest in instructions() if stage == target]
    port = next(rest for word, rest in here if word == "EXPOSE")
    assert any(word == "ENV" and rest.endswith(f"=0.0.0.0:{port}") for word, rest in here)
    check = json.loads(next(rest for word, rest in here if word == "HEALTHCHECK").partition("CMD ")[2])
    assert check[:2] == ["python", "deploy/healthcheck.py"]
    assert f"//127.0.0.1:{port}" in check[2]


def test_memory_settings_are_those_of_make_up() -> None:
    env = next(rest for stage, word, rest in instructions() if stage == "base" and word == "ENV")
    assert MALLOC.items() <= dict(pair.split("=", 1) for pair in env.split()).items()


def test_dependencies_come_from_the_hashed_lock() -> None:
    install = next(rest for stage, word, rest in instructions() if stage == "packages" and word == "RUN")
    assert "--require-hashes -r /tmp/server.txt" in install
    assert "--hash=sha256:" in (ROOT / "requirements" / "server.txt").read_text()
