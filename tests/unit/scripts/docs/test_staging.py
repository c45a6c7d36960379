"""The site's pages: each is in the navigation, and all links work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.docs import staging
from scripts.docs.staging import BrokenLinkError, relinked

ROOT = Path(__file__).resolve().parents[4]
WHERE = {"README.md": "index.md", "docs/files.md": "files.md", "docs/deploy/nginx.md": "deploy/nginx.md"}


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"[\w/.-]+\.md\b", staging.configuration(ROOT).partition("\nnav:\n")[2]))
    docs = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = {f"reference/{name}" for name in staging.reference(ROOT)}
    assert named == docs | set(staging.BESIDE.values()) | made


@pytest.mark.parametrize(
    ("source", "page", "target", "led"),
    [
        ("docs/files.md", "files.md", "deploy/nginx.md#why", "deploy/nginx.md#why"),
        ("docs/deploy/nginx.md", "deploy/nginx.md", "../files.md", "../files.md"),
        ("docs/deploy/nginx.md", "deploy/nginx.md", "../../README.md", "../index.md"),
        ("README.md", "index.md", "docs/files.md#list", "files.md#list"),
        ("README.md", "index.md", "docs/console/gallery.png", "console/gallery.png"),
        ("docs/files.md", "files.md", "../.env.example", f"{staging.REPOSITORY}/.env.example"),
        ("docs/files.md", "files.md", "../deploy", f"{staging.REPOSITORY}/deploy"),
        ("docs/files.md", "files.md", "https://example.org/x", "https://example.org/x"),
        ("docs/files.md", "files.md", "#list", "#list"),
    ],
)
def test_a_link_leads_to_the_page_or_to_the_repository(source: str, page: str, target: str, led: str) -> None:
    assert relinked(ROOT, WHERE, source, page, f"See [it]({target}).") == f"See [it]({led})."


@pytest.mark.parametrize("target", ["nowhere.md", "../nowhere/", "no.png", "../../outside.md"])
def test_a_link_that_leads_nowhere_ends_the_build(target: str) -> None:
    with pytest.raises(BrokenLinkError, match=r"docs/files\.md links to"):
        relinked(ROOT, WHERE, "docs/files.md", "files.md", f"[it]({target})")


def test_code_is_left_alone() -> None:
    text = "```md\n[it](nowhere.md)\n```\n"
    assert relinked(ROOT, WHERE, "docs/files.md", "files.md", text) == text


def test_what_is_gone_goes_and_what_is_the_same_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "reference", lambda root: {"errors.md": "# Errors\n"})
    monkeypatch.setattr(staging, "BESIDE", {"README.md": "index.md"})
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "mkdocs.yml").write_text("nav:\n  - All: [files.md]\n")
    (tmp_path / "README.md").write_text("[files](docs/files.md)\n")
    (docs / "files.md").write_text("# Files\n")
    (docs / "old.md").write_text("# Old\n")
    staging.stage(tmp_path, tmp_path / "build")
    source = tmp_path / "build" / "source"
    assert (source / "index.md").read_text() == "[files](files.md)\n"
    before = (source / "files.md").stat().st_mtime_ns
    (docs / "old.md").unlink()
    staging.stage(tmp_path, tmp_path / "build")
    assert sorted(one.name for one in source.rglob("*.md")) == ["errors.md", "files.md", "index.md"]
    assert (source / "files.md").stat().st_mtime_ns == before
