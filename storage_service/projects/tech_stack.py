"""Which technologies a project is made with: from the names of its files and folders, from what its manifests
ask for, and from what its sources import.

``TECHNOLOGIES`` is the whole knowledge: to know one more, add a line. What a project says is shown to people
and decides nothing; what cannot be read is passed over.
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


MAX_MANIFEST_BYTES = 256 * 1024
MAX_MANIFESTS = 50
"""So many manifests are read; a monorepo has them by the dozen."""
MAX_MANIFESTS_BYTES = 1024 * 1024
"""So much of them together: they are read on the event loop."""
MAX_SOURCES = 200
"""So many sources are read: a framework is imported in more places than one."""
MAX_FETCHED_SOURCES = 20
"""So many sources that were not sent are fetched again, and only such as a program begins with."""


@dataclass(frozen=True, slots=True)
class Technology:
    """``npm``, ``pip``: packages that mean it, ``@scope/*`` all of a scope. ``files``: patterns of file names
    in lower case.
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
"""Folders that hold other people's projects."""
_BUILT = frozenset({"dist", "build", "out", ".next", ".nuxt", ".svelte-kit", ".output"})
"""Folders of what was made out of this project: bundles hold other people's code."""
_BEGINNINGS = frozenset({
    "main", "app", "server", "index", "wsgi", "asgi", "manage", "settings", "urls", "api", "run", "__init__",
})  # fmt: skip
"""Names of files that a program begins with."""
_BACKEND_FOLDERS = frozenset({"backend", "server", "api"})
_BACKEND_SOURCES = (
    PYTHON | SCRIPT - {"jsx", "tsx"} | {"go", "rs", "rb", "php", "java", "kt", "cs", "ex", "exs"}
)
MAX_TOML_BYTES = 64 * 1024
MAX_DOTS = 200
"""On one line of TOML: the time that a dotted key takes grows with the square of its parts."""
MAX_DOTTED = 2 * MAX_DOTS * MAX_DOTS
"""The sum of these squares."""
MAX_NESTED = 2000 * MAX_DOTS
"""Lines times dots of the longest: below the header of a table each key costs what the header has parts."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class TechStack:
    """What is known so far of one project; feed it every path, and the manifests among them."""

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._has_page = False
        self._has_server_folder = False
        self._manifests = 0
        self._manifest_bytes = 0
        self._sources = 0
        self._fetched = 0

    def is_as_before(self, project: Project) -> None:
        """The same files as in its newest version: what was found in them then holds."""
        self._found = set(project.tech_stack)
        self._has_page, self._has_server_folder = project.has_frontend, project.has_backend

    def see(self, path: str) -> bool:
        """A file exists. Returns whether its content is wanted: see ``read``."""
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
        """Whether a wanted file that has not changed is to be fetched: see ``read``."""
        name = path.rpartition("/")[2].lower()
        if _kind_of(name) not in PYTHON | SCRIPT:
            return True
        if name.partition(".")[0] not in _BEGINNINGS or self._fetched >= MAX_FETCHED_SOURCES:
            return False
        self._fetched += 1
        return True

    def read(self, path: str, content: bytes) -> None:
        """The content of a manifest or a source. A manifest of more than MAX_MANIFEST_BYTES says nothing, nor
        one with which all would have more than MAX_MANIFESTS_BYTES; of a source its beginning is read.
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
        """In the order of the table."""
        return [tech.name for tech in TECHNOLOGIES if tech.name in self._found]

    @property
    def has_frontend(self) -> bool:
        """A page, or a framework that makes them."""
        return self._has_page or any(tech.frontend and tech.name in self._found for tech in TECHNOLOGIES)

    @property
    def has_backend(self) -> bool:
        """A framework for servers, or sources in a folder for them."""
        return self._has_server_folder or any(
            tech.backend and tech.name in self._found for tech in TECHNOLOGIES
        )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _kind_of(name: str) -> str:
    """The extension of a source that somebody wrote; empty for minified ones and declarations of types."""
    stem, _, extension = name.rpartition(".")
    return "" if stem.endswith((".min", ".d", ".bundle")) else extension


def _is_server(folders: list[str], kind: str) -> bool:
    """Sources in ``backend/``, ``server/`` or ``api/`` at the top; ``backend/`` below one folder, too."""
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
    """PEP 508, one a line; options and URLs are not names."""
    for line in text.splitlines():
        if found := _REQUIREMENT.match(line):
            yield _normal(found[1])


def _toml(text: str) -> Iterator[str]:
    """PEP 621, PEP 735, Poetry and Pipenv."""
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
    """A value deep inside tables; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _keys(value: Any) -> list[str]:
    return [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
