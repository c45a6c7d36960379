"""Recognizes a project's technologies from the names of files and folders, from manifests, and from imports.

``TECHNOLOGIES`` has all knowledge: to recognize one more, add a line. The result is only shown to people;
unreadable files are skipped.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from strongroom.metadata.v1.project_pb2 import Project

MAX_SOURCE_BYTES: Final = 64 * 1024
"""Only this much of a source is read: imports are at the beginning."""

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
    """`react-dom/client` → `react-dom`; empty for anything that is not a package."""
    if specifier.startswith((".", "/", "node:")) or ":" in specifier:
        return ""
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


MAX_MANIFEST_BYTES = 256 * 1024
MAX_MANIFESTS = 50
"""The most manifests read. A monorepo has dozens."""
MAX_MANIFESTS_BYTES = 1024 * 1024
"""The most bytes of all manifests: they are read on the event loop."""
MAX_SOURCES = 200
"""The most sources read: a framework is usually imported in several places."""
MAX_FETCHED_SOURCES = 20
"""The most sources that were not sent and are fetched again, only those in which programs begin."""


@dataclass(frozen=True, slots=True)
class Technology:
    """``npm``, ``pip``: packages that imply it, ``@scope/*`` for all of a scope. ``files``: patterns of file
    names in lower case.
    """

    name: str
    npm: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    frontend: bool = False
    backend: bool = False


TECHNOLOGIES = (
    Technology("React", npm=("react", "react-dom"), files=("*.jsx", "*.tsx"), frontend=True),
    Technology("Vue", npm=("vue",), files=("*.vue",), frontend=True),
    Technology("Svelte", npm=("svelte", "@sveltejs/*"), files=("*.svelte",), frontend=True),
    Technology("Next.js", npm=("next",), files=("next.config.*",), frontend=True),
    Technology("Vite", npm=("vite",), files=("vite.config.*",), frontend=True),
    Technology("TailwindCSS", npm=("tailwindcss", "@tailwindcss/*"), files=("tailwind.config.*",)),
    Technology("TypeScript", npm=("typescript",), files=("*.ts", "*.tsx", "tsconfig.json")),
    Technology("FastAPI", pip=("fastapi",), backend=True),
    Technology("Flask", pip=("flask",), backend=True),
    Technology("Django", pip=("django",), backend=True),
    Technology("Express", npm=("express",), backend=True),
    Technology("Python", files=("*.py", "requirements*.txt", "pyproject.toml", "pipfile")),
    Technology("Node.js", files=("package.json",)),
    Technology("Docker", files=("dockerfile", "dockerfile.*", "*.dockerfile", "*compose.y*ml")),
)
_NOT_THEIRS = frozenset({
    "node_modules", "bower_components", "jspm_packages", "site-packages", "dist-packages", "venv", ".venv",
    ".tox", ".git", "__pycache__", "vendor", "vendored", "_vendor", "third_party", "third-party", "__MACOSX",
})  # fmt: skip
"""Folders that contain other projects' code."""
_BUILT = frozenset({"dist", "build", "out", ".next", ".nuxt", ".svelte-kit", ".output"})
"""Folders of build output: bundles contain other projects' code."""
_BEGINNINGS = frozenset({
    "main", "app", "server", "index", "wsgi", "asgi", "manage", "settings", "urls", "api", "run", "__init__",
})  # fmt: skip
"""File names in which programs begin."""
_BACKEND_FOLDERS = frozenset({"backend", "server", "api"})
_BACKEND_SOURCES = (
    PYTHON | SCRIPT - {"jsx", "tsx"} | {"go", "rs", "rb", "php", "java", "kt", "cs", "ex", "exs"}
)
MAX_TOML_BYTES = 64 * 1024
MAX_DOTS = 200
"""The most dots on a line of TOML: the cost of a dotted key grows with the square of its parts."""
MAX_DOTTED = 2 * MAX_DOTS * MAX_DOTS
"""The largest sum of these squares."""
MAX_NESTED = 2000 * MAX_DOTS
"""Lines times the dots of the longest: below a table's header each key costs as much as the header has
parts.
"""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class TechStack:
    """The findings so far for one project. Feed it every path, and the manifests among them."""

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._has_page = False
        self._has_server_folder = False
        self._manifests = 0
        self._manifest_bytes = 0
        self._sources = 0
        self._fetched = 0

    def is_as_before(self, project: Project) -> None:
        """Take over the findings of the newest version, because all files are those of that version."""
        self._found = set(project.tech_stack)
        self._has_page, self._has_server_folder = project.has_frontend, project.has_backend

    def see(self, path: str) -> bool:
        """Note a path. Returns whether its content is wanted: see ``read``."""
        *folders, name = path.split("/")
        if _NOT_THEIRS.intersection(folders):
            return False
        name = name.lower()
        self._has_page = self._has_page or name in {"index.html", "index.htm"}
        self._found.update(tech.name for tech in TECHNOLOGIES if _matches(name, tech.files))
        kind = "" if _BUILT.intersection(folders) else _kind_of(name)
        self._has_server_folder = self._has_server_folder or _is_server(folders, kind)
        if kind in PYTHON | SCRIPT:
            self._sources += 1
            return self._sources <= MAX_SOURCES
        if _reader_of(name) is None or self._manifests >= MAX_MANIFESTS:
            return False
        self._manifests += 1
        return True

    def worth_fetching(self, path: str) -> bool:
        """Whether a wanted file that was not sent should be fetched: see ``read``."""
        name = path.rpartition("/")[2].lower()
        if _kind_of(name) not in PYTHON | SCRIPT:
            return True
        if name.partition(".")[0] not in _BEGINNINGS or self._fetched >= MAX_FETCHED_SOURCES:
            return False
        self._fetched += 1
        return True

    def read(self, path: str, content: bytes) -> None:
        """Read a manifest or a source.

        A manifest longer than MAX_MANIFEST_BYTES is ignored, and so is one that exceeds MAX_MANIFESTS_BYTES
        for all together. Of a source the beginning is read.
        """
        name = path.rpartition("/")[2].lower()
        if (kind := _kind_of(name)) in PYTHON | SCRIPT:
            self._read_source(kind, content[:MAX_SOURCE_BYTES].decode("utf-8", "replace"))
            return
        reader = _reader_of(name)
        left = MAX_MANIFESTS_BYTES - self._manifest_bytes
        if reader is None or len(content) > min(MAX_MANIFEST_BYTES, left):
            return
        self._manifest_bytes += len(content)
        ecosystem, read = reader
        try:
            packages = set(read(content.decode("utf-8-sig")))
        except (ValueError, RecursionError):  # not UTF-8, JSON or TOML
            return
        self._use(ecosystem, packages)

    def _read_source(self, kind: str, text: str) -> None:
        if kind in PYTHON:
            self._use("pip", {_normal(name) for name in python_imports(text)})
        else:
            self._use("npm", set(script_imports(text)))

    def _use(self, ecosystem: str, packages: set[str]) -> None:
        known = packages | {f"{name.partition('/')[0]}/*" for name in packages if name.startswith("@")}
        for tech in TECHNOLOGIES:
            if not known.isdisjoint(tech.npm if ecosystem == "npm" else tech.pip):
                self._found.add(tech.name)

    @property
    def names(self) -> list[str]:
        """The technologies found, in the order of the table."""
        return [tech.name for tech in TECHNOLOGIES if tech.name in self._found]

    @property
    def has_frontend(self) -> bool:
        """Whether there is a page, or a framework that makes pages."""
        return self._has_page or any(tech.frontend and tech.name in self._found for tech in TECHNOLOGIES)

    @property
    def has_backend(self) -> bool:
        """Whether there is a server framework, or sources in a server's folder."""
        return self._has_server_folder or any(
            tech.backend and tech.name in self._found for tech in TECHNOLOGIES
        )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _kind_of(name: str) -> str:
    """The extension of a hand-written source; empty for minified files and type declarations."""
    stem, _, extension = name.rpartition(".")
    return "" if stem.endswith((".min", ".d", ".bundle")) else extension


def _is_server(folders: list[str], kind: str) -> bool:
    """Whether it is a source in a top-level ``backend/``, ``server/`` or ``api/``, or in ``backend/`` one
    level below.
    """
    if kind not in _BACKEND_SOURCES or not folders:
        return False
    return folders[0].lower() in _BACKEND_FOLDERS or "backend" in (folder.lower() for folder in folders[:2])


def _reader_of(name: str) -> tuple[str, Any] | None:
    if name == "package.json":
        return "npm", _package_json
    if name in {"pyproject.toml", "pipfile"}:
        return "pip", _toml
    if fnmatchcase(name, "requirements*.txt"):
        return "pip", _requirements
    return None


def _package_json(text: str) -> Iterator[str]:
    manifest = json.loads(text)
    for group in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        yield from _keys(_at(manifest, group))


def _requirements(text: str) -> Iterator[str]:
    """PEP 508, one requirement per line; options and URLs are skipped."""
    for line in text.splitlines():
        if found := _REQUIREMENT.match(line):
            yield _normal(found[1])


def _toml(text: str) -> Iterator[str]:
    """Requirements of PEP 621, PEP 735, Poetry and Pipenv."""
    dots = [line.count(".") for line in text.splitlines()]
    most = max(dots, default=0)
    dotted = sum(count * count for count in dots)
    if len(text) > MAX_TOML_BYTES or most > MAX_DOTS or dotted > MAX_DOTTED or most * len(dots) > MAX_NESTED:
        raise ValueError("keys may be long enough to take minutes")
    manifest = tomllib.loads(text)
    lists = [_at(manifest, "project", "dependencies")]
    lists += _values(_at(manifest, "project", "optional-dependencies"))
    lists += _values(_at(manifest, "dependency-groups"))
    for listed in lists:
        for requirement in listed if isinstance(listed, list) else ():
            if isinstance(requirement, str):
                yield from _requirements(requirement)
    poetry = [_at(manifest, "tool", "poetry", "dependencies"), _at(manifest, "packages")]
    poetry += [_at(group, "dependencies") for group in _values(_at(manifest, "tool", "poetry", "group"))]
    for table in poetry:
        yield from map(_normal, _keys(table))


def _at(value: Any, *names: str) -> Any:
    """A value deep inside tables; None if it does not exist."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _keys(value: Any) -> list[str]:
    return [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


def _normal(name: str) -> str:
    """Normalize a name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
