"""Which packages a source file imports, read as far as that takes: strings and comments are told from code,
nothing is parsed. Linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MAX_SOURCE_BYTES: Final = 64 * 1024
"""Imports stand at the beginning; no more of a file is read."""

PYTHON: Final = frozenset({"py"})
SCRIPT: Final = frozenset({"js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"})

_PYTHON_TEXT: Final = re.compile(
    r"\'\'\'[\s\S]*?(?:\'\'\'|\Z)"
    r'|"""[\s\S]*?(?:"""|\Z)'
    r"|'(?:[^'\\\n]|\\[\s\S])*'?"
    r'|"(?:[^"\\\n]|\\[\s\S])*"?'
    r"|\#[^\n]*"
)
_PYTHON_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+([\w., \t]+))", re.MULTILINE
)
_SCRIPT_TEXT: Final = re.compile(
    r"//[^\n]*"
    r"|/\*[\s\S]*?(?:\*/|\Z)"
    r"|`(?:[^`\\]|\\[\s\S])*`?"
    r"|(?P<string>'(?:[^'\\\n]|\\[\s\S])*'?"
    r'|"(?:[^"\\\n]|\\[\s\S])*"?)'
)
_BEFORE_A_MODULE: Final = re.compile(
    r"(?:(?<![\w$.])from|(?<![\w$.])import|(?<![\w$.])(?:require|import)\s*\()\s*\Z"
)
_NEAR: Final = 200


def python_imports(text: str) -> Iterator[str]:
    """Top-level packages, without relative imports."""
    for found in _PYTHON_IMPORT.finditer(_PYTHON_TEXT.sub('""', text)):
        names = [found[1]] if found[1] else found[2].split(",")
        for name in names:
            yield name.split()[0].partition(".")[0] if name.split() else ""


def script_imports(text: str) -> Iterator[str]:
    """Packages of import, export … from, require() and import(), without paths and node: modules."""
    code_from = 0
    for token in _SCRIPT_TEXT.finditer(text):
        string = token["string"]
        if string and _BEFORE_A_MODULE.search(text[max(code_from, token.start() - _NEAR) : token.start()]):
            yield _package(string.strip("'\""))
        code_from = token.end() if string else code_from


def _package(specifier: str) -> str:
    """`react-dom/client` → `react-dom`; empty for what is no package."""
    if specifier.startswith((".", "/", "node:")) or ":" in specifier:
        return ""
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])
