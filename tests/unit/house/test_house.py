"""Rules for every tracked file."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHECKS = ("lint", "types", "check-generated", "buf-lint", "buf-breaking", "imports", "docs")
MAX_LINES = 400
CODE = {
    ".py",
    ".pyi",
    ".proto",
    ".sh",
    ".js",
    ".mjs",
    ".ts",
    ".html",
    ".css",
    ".sql",
    ".toml",
    ".yaml",
    ".yml",
    ".mk",
}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "stuff"}
#: Spelled in pieces: this file is tracked too.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("proxy", "golang", "org"),
    )
)
#: Code that no user runs.
WORKSHOP = {"tests", "benchmarks", "scripts"}
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
SKIPS = re.compile(r"pytest\.(?:skip|mark\.skip|mark\.skipif|importorskip)\b|@unittest\.skip")


@functools.cache
def tracked() -> list[PurePosixPath]:
    """Files git tracks and the work tree still has, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [PurePosixPath(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def is_foreign(path: PurePosixPath) -> bool:
    """Generated, vendored or locked: not written here."""
    return (
        re.search(r"_pb2(?:_grpc)?\.pyi?$", path.name) is not None
        or path.parts[:2] in {("protos", "google"), ("protos", "buf")}
        or path.parts[0] == "requirements"
        or path == PurePosixPath("clients/typescript/src/schema.ts")
        or path.parts[:5] == ("gateway", "families", "console", "static", "vendor")
    )


def written_code() -> list[PurePosixPath]:
    """The code people of this project write."""
    return [path for path in tracked() if path.suffix in CODE and not is_foreign(path)]


@functools.cache
def text_of(path: PurePosixPath) -> str:
    return (ROOT / path).read_text("utf-8", errors="replace")


def test_git_lists_this_repository() -> None:
    assert PurePosixPath("pyproject.toml") in tracked()
    assert any(path.suffix == ".proto" for path in tracked())


def test_no_file_is_over_400_lines() -> None:
    lengths = {str(path): len(text_of(path).splitlines()) for path in written_code()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_module_or_folder_has_a_vague_name() -> None:
    named = [path for path in written_code() if VAGUE & {part.split(".")[0].lower() for part in path.parts}]
    assert named == []


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_tracked_file_names_a_package_registry(host: str) -> None:
    assert [str(path) for path in tracked() if host in text_of(path)] == []


def test_nothing_is_marked_unfinished() -> None:
    assert [str(path) for path in written_code() if UNFINISHED.search(text_of(path))] == []


def test_no_test_is_skipped() -> None:
    tests = [path for path in written_code() if path.parts[0] == "tests" and path.name != Path(__file__).name]
    assert [str(path) for path in tests if SKIPS.search(text_of(path))] == []


def test_each_decision_has_a_number_of_its_own() -> None:
    decisions = [path.name for path in tracked() if path.parent == PurePosixPath("docs/decisions")]
    numbers = [name.partition("-")[0] for name in decisions]
    assert len(numbers) > 5
    assert sorted(numbers) == sorted(set(numbers))
    for name in decisions:
        title = text_of(PurePosixPath("docs/decisions") / name).splitlines()[0]
        assert re.search(rf"\b{name.partition('-')[0]}\b", title), title


def test_nothing_waits_in_a_way_that_loses_a_cancellation() -> None:
    """Up to Python 3.11, asyncio.wait_for loses a cancellation if the awaited call ends at that moment.
    asyncio.timeout does not.
    """
    product = [path for path in written_code() if path.suffix == ".py" and path.parts[0] not in WORKSHOP]
    assert [str(path) for path in product if re.search(r"\basyncio\.wait_for\(", text_of(path))] == []


def test_nothing_is_raised_from_a_part_of_a_group() -> None:
    """Python 3.11.2 (Debian 12) wraps errors raised in `except*` in a group again, so no handler catches
    them.
    """
    product = [path for path in written_code() if path.suffix == ".py" and path.parts[0] not in WORKSHOP]
    assert [str(path) for path in product if re.search(r"^\s*except\*", text_of(path), re.MULTILINE)] == []


def test_changelog_has_an_unreleased_section() -> None:
    headings = re.findall(r"^## \[(.+?)\]", text_of(PurePosixPath("CHANGELOG.md")), re.MULTILINE)
    assert headings[0] == "Unreleased"


def _run_ci(folder: Path, *, failing: str = "") -> subprocess.CompletedProcess[str]:
    """`.ci/run` with a `make` that prints the name of its target, and fails at one."""
    (folder / ".ci").mkdir()
    script = folder / ".ci" / "run"
    script.write_text((ROOT / ".ci" / "run").read_text("utf-8"))
    programs = folder / "programs"
    programs.mkdir()
    for name in ("curl", "chromium", "redis-server", "promtool"):
        (programs / name).symlink_to("/bin/true")
    make = programs / "make"
    make.write_text(f"""#!/bin/sh
[ "$1" = --version ] && exit 0
echo "about $2"
[ "$2" = test ] && echo "7 passed in 1.00s"
[ "$2" != "{failing}" ]
""")
    make.chmod(0o755)
    environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": sys.executable}
    return subprocess.run(["bash", script], env=environ, capture_output=True, text=True, check=False)


def test_ci_ends_with_the_closing_line_of_the_tests(tmp_path: Path) -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    done = _run_ci(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "7 passed in 1.00s"
    assert [line for line in lines if line.endswith("passed") and line.startswith("==")] == [
        f"== make {target}: passed" for target in CHECKS
    ]


@pytest.mark.parametrize("target", [*CHECKS, "test"])
def test_ci_fails_where_any_step_does(tmp_path: Path, target: str) -> None:
    done = _run_ci(tmp_path, failing=target)
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == "7 passed in 1.00s"
    assert f"about {target}" in done.stdout


def test_ci_goes_no_further_without_its_environment(tmp_path: Path) -> None:
    done = _run_ci(tmp_path, failing="setup")
    assert done.returncode != 0
    assert "about test" not in done.stdout
