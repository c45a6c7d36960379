"""A preview shows a project's front end, in any of its folders, and no other file."""

from __future__ import annotations

import pytest

from metadata_service.projects.front_end import chosen, wanted

SECRET = [
    *(".env", ".git/config", ".github/workflows/ci.yml", "backend/.env", "backend/main.py", "backend/a.json"),
    *(
        "package.json",
        "package-lock.json",
        "yarn.lock",
        "uv.lock",
        "requirements.txt",
        "dev-requirements.txt",
    ),
    *("pyproject.toml", "Pipfile", "Dockerfile", "docker-compose.yml", "Makefile", "main.py", "app.py"),
    *("server/index.js", "server.js", "api/users.json", "db/seed.sql", "migrations/0001.sql", "go.mod"),
    *("node_modules/x/index.js", "tls.key", "id.pem", "prod.env", "data.sqlite3", "debug.log"),
    *("Backend/Main.PY", "DOCKERFILE", "services/server/a.js", "css/.hidden.css", "a/__pycache__/b.js"),
]
SHOWN = ["index.html", "css/a.css", "js/app.js", "docs/index.html", "vendor/jquery.js", "data.json"]


def shown(path: str, files: list[str]) -> str | None:
    return chosen(path, set(wanted(path)) & set(files))


@pytest.mark.parametrize("root", ["", "frontend/", "dist/", "build/", "public/", "frontend/dist/"])
def test_a_front_end(root: str) -> None:
    files = [*SECRET, *(f"{root}{path}" for path in SHOWN)]
    for path in SHOWN:
        assert shown(path, files) == f"{root}{path}"
        assert shown(f"{root}{path}", files) == f"{root}{path}"
    assert [path for path in SECRET if shown(path, files)] == []


@pytest.mark.parametrize("root", ["frontend/", "dist/", "build/", "public/"])
def test_dot_files_and_manifests_of_the_front_end_itself(root: str) -> None:
    inside = [".env", ".env.local", "package.json", "yarn.lock", "node_modules/a.js", ".git/HEAD", "id.key"]
    files = [f"{root}index.html", *(f"{root}{path}" for path in inside)]
    assert [path for path in inside if shown(path, files) or shown(f"{root}{path}", files)] == []


def test_the_built_one_is_shown() -> None:
    files = ["index.html", "src/main.tsx", "dist/index.html", "dist/assets/a.js"]
    assert shown("index.html", files) == "dist/index.html"
    assert shown("assets/a.js", files) == "dist/assets/a.js"
    assert shown("src/main.tsx", files) is None


def test_a_folder_without_a_start_page_is_no_front_end() -> None:
    files = ["index.html", "public/logo.png", "frontend/part.js", "build/notes.txt"]
    assert shown("index.html", files) == "index.html"
    assert shown("public/logo.png", files) == "public/logo.png"


def test_a_back_end_alone_shows_nothing() -> None:
    assert [path for path in SECRET if shown(path, SECRET)] == []
    assert shown("index.html", SECRET) is None
