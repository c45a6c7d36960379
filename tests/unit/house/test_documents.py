"""Every document named in code exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.unit.house.test_house import text_of, tracked, written_code

NAMED = re.compile(r"(?<![\w/.*-])(?:[\w.-]+/)*[\w.-]*[\w-]\.md\b(?![\w*])")
COMMENT = re.compile(r"(?:#|//|--)(.*)$", re.MULTILINE)


def docstrings(source: str) -> Iterator[str]:
    """The docstrings of a module and of all definitions in it, attributes included."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text


def prose(path: PurePosixPath) -> Iterator[str]:
    """Comments and docstrings that may name a document: other texts of a program may be about anybody's
    files.
    """
    source = text_of(path)
    if ".md" not in source:
        return  # to parse all code takes five seconds
    yield from COMMENT.findall(source)
    if path.suffix == ".py":
        yield from docstrings(source)


def documents() -> set[str]:
    """By path, by every end of it (`decisions/0001-….md`), and so by bare name."""
    ends = set()
    for path in tracked():
        if path.suffix == ".md":
            ends |= {"/".join(path.parts[start:]) for start in range(len(path.parts))}
    return ends


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("see docs/consistency.md.", ["docs/consistency.md"]),
        ("(rest.md; architecture.md, Keys)", ["rest.md", "architecture.md"]),
        ("decisions/0001-one-bucket.md says", ["decisions/0001-one-bucket.md"]),
        ("every `*.md` there is, a.mdx, x.md5", []),
    ],
)
def test_a_name_is_seen(text: str, names: list[str]) -> None:
    assert NAMED.findall(text) == names


def test_every_document_that_code_names_exists() -> None:
    known = documents()
    assert "docs/glossary.md" in known
    missing = [
        f"{path}: {name}"
        for path in written_code()
        for text in prose(path)
        if ".md" in text
        for name in NAMED.findall(text)
        if name not in known
    ]
    assert missing == []
