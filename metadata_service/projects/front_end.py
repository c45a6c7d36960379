"""Which files of a project a preview shows: only those of its front end.

Every script in the page sees the preview's URL, also scripts of strangers. So it must not open the back end's
sources, secrets in dot files, or files that tell which versions could be attacked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final

INDEX: Final = "index.html"
#: Folders that may contain the front end, in order of preference: the first with a start page, else the root.
_ROOTS: Final = (
    "frontend/dist/", "frontend/build/", "frontend/public/", "frontend/", "dist/", "build/", "public/",
)  # fmt: skip
_ROOT: Final = ""
#: Never part of a front end, at any level.
_FOREIGN_FOLDERS: Final = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})
#: Folders of the back end, if the front end is in the project's root.
_BACKEND_FOLDERS: Final = frozenset({"backend", "back-end", "back_end", "server"})
_TOP_BACKEND_FOLDERS: Final = frozenset(
    {
        *("api", "database", "db", "deploy", "functions", "infra"),
        *("lambda", "lambdas", "migrations", "prisma", "terraform"),
    }
)
_MANIFESTS: Final = (
    *("package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"),
    *("*.lock", "bun.lockb", "deno.json", "deno.jsonc", "composer.json", "cargo.toml", "go.mod", "go.sum"),
    *("*requirements*.txt", "pyproject.toml", "pipfile", "setup.py", "setup.cfg", "gemfile", "pom.xml"),
    *(
        "build.gradle*",
        "dockerfile",
        "dockerfile.*",
        "*.dockerfile",
        "*compose*.y*ml",
        "makefile",
        "procfile",
    ),
)
_SECRETS: Final = (
    *(
        "*.env",
        "*.pem",
        "*.key",
        "*.p12",
        "*.pfx",
        "*.sqlite",
        "*.sqlite3",
        "*.db",
        "*.sql",
        "*.log",
        "*.bak",
    ),
)
#: Sources and settings of the back end, if the front end is in the project's root.
_SOURCES: Final = (
    *("*.py", "*.pyc", "*.rb", "*.php", "*.go", "*.rs", "*.java", "*.kt", "*.cs", "*.ex", "*.exs", "*.pl"),
    *("*.sh", "*.toml", "*.ini", "*.cfg", "*.conf", "server.js", "server.ts", "server.mjs", "server.cjs"),
)


def wanted(path: str) -> list[str]:
    """Paths of the project that may answer a browser's request for ``path``."""
    roots = (*_ROOTS, _ROOT)
    return list(dict.fromkeys([*(f"{root}{INDEX}" for root in roots), *(f"{root}{path}" for root in roots)]))


def chosen(path: str, present: Collection[str]) -> str | None:
    """The file to show, of those among ``wanted(path)`` that are ``present``; None: a preview shows none of
    them.

    ``path`` is relative to the front end's root; or to the project's, as in older links of previews.
    """
    root = next((root for root in _ROOTS if f"{root}{INDEX}" in present), _ROOT)
    for whole in (f"{root}{path}", path):
        if whole in present and whole.startswith(root) and _is_shown(whole[len(root) :], root):
            return whole
    return None


def _is_shown(path: str, root: str) -> bool:
    *folders, name = path.lower().split("/")
    if any(part.startswith(".") for part in (*folders, name)) or not _FOREIGN_FOLDERS.isdisjoint(folders):
        return False
    refused: Sequence[str] = (*_MANIFESTS, *_SECRETS)
    if root == _ROOT:
        refused = (*refused, *_SOURCES)
        if not _BACKEND_FOLDERS.isdisjoint(folders) or (folders and folders[0] in _TOP_BACKEND_FOLDERS):
            return False
    return not any(fnmatchcase(name, pattern) for pattern in refused)
