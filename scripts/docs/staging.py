"""Collects the site's pages in one folder: docs/, files beside README.md, and the reference.

Links out of docs/ are changed to the site's page, or to the file in the repository. A broken one ends the
build, as do broken links to pages and headings, which Zensical does not detect.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from scripts.docs import cli_page, errors_page, grpc_page, rest_page, settings_page

REPOSITORY: Final = "https://github.com/strongroom/strongroom/blob/main"
#: Files in the root of the repository: their place on the site.
BESIDE: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "clients/typescript/README.md": "typescript.md",
}
REFERENCE: Final = "reference"
STYLE: Final = "site.css"
_OTHERS: Final = re.compile(r"^( +- [\w ]+: )\[\*\].*\n", re.MULTILINE)
_LINK: Final = re.compile(r"(?<=\]\()(?P<target>[^)\s]+)(?=\))")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


class BrokenLinkError(Exception):
    """A link points to a file that does not exist."""


def stage(root: Path, build: Path) -> None:
    """Write all pages below ``build / "source"``, and the configuration into ``build``.

    Unchanged files are not touched, obsolete ones are removed.

    :raises BrokenLinkError: a link is broken.
    """
    target = build / "source"
    pages = {page: (root / source).read_text("utf-8") for page, source in _sources(root).items()}
    where = {source: page for page, source in _sources(root).items()}
    made = {f"{REFERENCE}/{name}": text for name, text in reference(root).items()}
    written = {page: relinked(root, where, _sources(root)[page], page, text) for page, text in pages.items()}
    written |= {page: relinked(root, where, f"docs/{page}", page, text) for page, text in made.items()}
    pictures = {str(one.relative_to(root / "docs")): one for one in (root / "docs").rglob("*.png")}
    _write(build / "mkdocs.yml", configuration(root))
    keep = written.keys() | pictures.keys() | {STYLE}
    _write(target / STYLE, (Path(__file__).parent / STYLE).read_text("utf-8"))
    for old in [one for one in target.rglob("*") if one.is_file()]:
        if old.relative_to(target).as_posix() not in keep:
            old.unlink()
    for page, text in written.items():
        _write(target / page, text)
    for name, source in pictures.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if not (target / name).exists() or (target / name).read_bytes() != source.read_bytes():
            shutil.copyfile(source, target / name)


@functools.cache
def reference(root: Path) -> Mapping[str, str]:
    """The pages made from the code, by name."""
    return {
        "settings.md": settings_page.written(root),
        "cli.md": cli_page.written(),
        "errors.md": errors_page.written(root),
        **rest_page.pages(),
        **grpc_page.pages(root),
    }


def _sources(root: Path) -> dict[str, str]:
    """The site's pages, and the repository's file of each."""
    docs = {one.relative_to(root / "docs").as_posix(): one for one in sorted((root / "docs").rglob("*.md"))}
    found = {page: one.relative_to(root).as_posix() for page, one in docs.items()}
    return found | {page: source for source, page in BESIDE.items()}


def relinked(root: Path, where: Mapping[str, str], source: str, page: str, text: str) -> str:
    """A page's text with links for the site. ``where``: the page of each file."""

    def moved(found: re.Match[str]) -> str:
        return _moved(root, where, source, page, found["target"])

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)


def _moved(root: Path, where: Mapping[str, str], source: str, page: str, target: str) -> str:
    if re.match(r"[a-z]+:|#|/", target):
        return target
    path, hash_, anchor = target.partition("#")
    file = os.path.normpath(PurePosixPath(source).parent / path)
    if file.startswith(f"docs/{REFERENCE}/") and source.startswith(f"docs/{REFERENCE}/"):
        return target
    if file in where or (file.startswith("docs/") and (root / file).is_file()):
        there = where.get(file, file.removeprefix("docs/"))
        return os.path.relpath(there, PurePosixPath(page).parent) + hash_ + anchor
    if file.startswith("..") or not (root / file).exists():
        raise BrokenLinkError(f"{source} links to {target}, which is not there")
    return f"{REPOSITORY}/{file}{hash_}{anchor}"


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def configuration(root: Path) -> str:
    """``mkdocs.yml`` with its patterns expanded: ``[folder/*]`` to the folder's pages, README first; ``[*]``
    to everything that no other entry names.
    """

    def pages(found: re.Match[str]) -> str:
        folder = root / "docs" / found["folder"]
        names = sorted(
            (one.name for one in folder.glob("*.md")), key=lambda name: (name != "README.md", name)
        )
        return "[" + ", ".join(f"{found['folder']}/{name}" for name in names) + "]"

    text = re.sub(r"\[(?P<folder>[\w/-]+)/\*\]", pages, (root / "mkdocs.yml").read_text("utf-8"))
    others = [page for page in _sources(root) if f" {page}" not in text and f"[{page}" not in text]
    return _OTHERS.sub(f"\\1[{', '.join(others)}]\n" if others else "", text)
